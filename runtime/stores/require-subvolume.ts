import path from "node:path";
import { isSubvolume } from "../disk/btrfs.ts";
import { BootError } from "../base/errors.ts";
import type { ImageId } from "../images/image-ref.ts";
import { follow, PULL_AGAIN } from "./store-files.ts";
import type { StoreLocation } from "./store.ts";

/**
 * @param source where the image's top layer must be, relative to the top level
 * @returns the source
 * @throws BootError SOURCE_MISSING, or STORE_UNSUPPORTED where its files are a user namespace's
 */
export function requireSubvolume(
  location: StoreLocation,
  id: ImageId,
  source: string,
): string {
  const { host, topLevel } = location;
  const tree = path.join(topLevel, source);
  if (!isSubvolume(host, tree)) {
    throw new BootError(
      "SOURCE_MISSING",
      `the image ${id} has its top layer at ${source}, but there is no subvolume`,
      { hint: PULL_AGAIN },
    );
  }
  const owner = host.files.statusOf(tree)?.uid ?? 0;
  if (owner !== 0) refuseShifted(location, source, owner);
  return source;
}

/**
 * An engine with a user namespace keeps layers with the users as they are outside of it. An image's own
 * root directory may belong to somebody, too; so what counts is how the store shows it: Docker names its
 * directory `<uid>.<gid>` (https://docs.docker.com/engine/security/userns-remap/), and an engine that
 * is not root's has all of its store under the same user.
 * @throws BootError STORE_UNSUPPORTED
 */
function refuseShifted(
  location: StoreLocation,
  source: string,
  owner: number,
): void {
  const isRemapped = source
    .split("/")
    .some((name) => /^[0-9]+\.[0-9]+$/.test(name) && parseInt(name) === owner);
  const store = follow(location, "");
  const holder =
    store === undefined ? undefined : location.host.files.statusOf(store)?.uid;
  if (!isRemapped && holder !== owner) return;
  throw new BootError(
    "STORE_UNSUPPORTED",
    `in the store ${location.path} root's files belong to the user ${String(owner)}: an engine with a user namespace has written them, and no system runs from files that are not root's`,
    {
      hint: isRemapped
        ? `In a running system: docker save --output image.tar NAME; take "userns-remap" out of /etc/docker/daemon.json; systemctl restart docker; docker load --input image.tar; then name the directory above ${location.path}.`
        : "In a running system: pull the image as root (sudo podman pull NAME), and name the store of root's engine.",
    },
  );
}
