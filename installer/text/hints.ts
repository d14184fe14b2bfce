/** For who sits at a running system; who cannot start one is told otherwise. */
export const REPAIR_STORE =
  "Look at the store with its engine (docker images, podman images), and pull or build the image again.";
