import { BootError } from "../../base/errors.ts";

/** How Docker comes to unpack by containerd's btrfs snapshotter. */
export const CONTAINERD_TO_BTRFS = `put { "features": { "containerd-snapshotter": true }, "storage-driver": "btrfs" } into /etc/docker/daemon.json; systemctl restart docker`;

/** For each engine what is written where. */
const WAYS = {
  docker: `where /var/lib/docker is not on the btrfs, stop Docker and mount a subvolume there; put { "storage-driver": "btrfs" } into /etc/docker/daemon.json; systemctl restart docker; `,
  containerd: `where containerd's directory is not on the btrfs, stop Docker and containerd and mount a subvolume there; ${CONTAINERD_TO_BTRFS}; `,
  podman: `podman system reset (it removes all images, containers and volumes, and without it Podman stays with its driver); where /var/lib/containers/storage is not on the btrfs, mount a subvolume there; write below [storage] in /etc/containers/storage.conf: driver = "btrfs", and where there was no such file also runroot = "/run/containers/storage" and graphroot = "/var/lib/containers/storage"; `,
} as const;

/** For each engine which commands move an image over. */
const MOVES = {
  docker: `docker save --output image.tar NAME; ${WAYS.docker}docker load --input image.tar.`,
  containerd: `${CONTAINERD_TO_BTRFS}; unpack the image there: docker rm $(docker create NAME true). Where containerd's directory is not on the btrfs, instead: docker save --output image.tar NAME; stop Docker and containerd; mount a subvolume there; change daemon.json as above; start Docker; docker load --input image.tar.`,
  podman: `podman save --output image.tar NAME; ${WAYS.podman}podman load --input image.tar.`,
} as const;

/** For each engine how it comes to keep layers of which roots are made, on any filesystem. */
const OTHER_DRIVERS = {
  docker: `put { "storage-driver": "overlay2" } into /etc/docker/daemon.json; systemctl restart docker; `,
  containerd: `put { "features": { "containerd-snapshotter": true }, "storage-driver": "overlayfs" } into /etc/docker/daemon.json; systemctl restart docker; `,
  podman: `podman system reset (it removes all images, containers and volumes, and without it Podman stays with its driver); write driver = "overlay" below [storage] in /etc/containers/storage.conf; `,
} as const;

/**
 * The error for a store of whose layers no root of the wanted kind is made: what it is, and what to do.
 * @param driver that has made the layers, for people: "Docker's overlay2 driver"
 * @param hasLayers whether a root that is an overlay is made of them
 * @param missing why the image is not there, so that it cannot be moved over
 */
export function storeUnsupported(
  storePath: string,
  engine: keyof typeof WAYS,
  driver: string,
  hasLayers: boolean,
  missing?: BootError,
): BootError {
  const program = engine === "podman" ? "podman" : "docker";
  if (!hasLayers) {
    const way = OTHER_DRIVERS[engine];
    return new BootError(
      "STORE_UNSUPPORTED",
      `no root can be made of the layers in the store ${storePath}, which ${driver} has made`,
      {
        cause: missing,
        hint: `In a running system: ${missing === undefined ? `${program} save --output image.tar NAME; ${way}${program} load --input image.tar` : `${way}${program} pull NAME`}.`,
      },
    );
  }
  const way =
    missing === undefined
      ? MOVES[engine]
      : `${WAYS[engine]}${program} pull NAME.`;
  return new BootError(
    "STORE_UNSUPPORTED",
    `the layers in the store ${storePath} are not btrfs subvolumes but directories, made by ${driver}; with subvol= in rootflags= dockroot takes snapshots of subvolumes`,
    {
      cause: missing,
      hint: `Leave subvol= out of rootflags=: the root is an overlay of layers then. Or have subvolumes, in a running system: ${way}`,
    },
  );
}
