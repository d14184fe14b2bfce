import path from "node:path";
import { BootError } from "../base/errors.ts";
import { isSubvolume } from "../disk/btrfs.ts";
import type { ImageId } from "../images/image-ref.ts";
import { PULL_AGAIN, type StoreFiles } from "./store-files.ts";
import type { StoredTree } from "./store.ts";

/**
 * @param id of the image whose leaf layer the subvolume must hold
 * @param directory of the store; part of it may be a link that makes sense in the running system
 * @param name in the directory
 * @throws BootError SOURCE_MISSING, or STORE_UNSUPPORTED where its files are a user namespace's
 */
export function requireSubvolume(
  store: StoreFiles,
  id: ImageId,
  directory: string,
  name: string,
): StoredTree {
  const { host, topLevel } = store;
  const asItIs = path.join(topLevel, store.path, directory);
  const tree = path.join(store.resolve(directory) ?? asItIs, name);
  const source = path.relative(topLevel, tree);
  if (!isSubvolume(host, tree)) {
    throw new BootError(
      "SOURCE_MISSING",
      `the image ${id} has its leaf layer at ${source}, but there is no subvolume`,
      { hint: PULL_AGAIN },
    );
  }
  const owner = host.files.statusOf(tree)?.uid ?? 0;
  if (owner !== 0) refuseShifted(store, source, owner);
  return { kind: "subvolume", path: source };
}

/**
 * An engine with a user namespace keeps layers with the users as they are outside of it. An image's own
 * root directory may belong to somebody, too; so what counts is how the store shows it: Docker names its
 * directory `<uid>.<gid>` (https://docs.docker.com/engine/security/userns-remap/), and an engine that
 * is not root's has all of its store under the same user.
 * @throws BootError STORE_UNSUPPORTED
 */
function refuseShifted(store: StoreFiles, source: string, owner: number): void {
  const isRemapped = source
    .split("/")
    .some((name) => /^[0-9]+\.[0-9]+$/.test(name) && parseInt(name) === owner);
  const directory = store.resolve("");
  const holder =
    directory === undefined
      ? undefined
      : store.host.files.statusOf(directory)?.uid;
  if (!isRemapped && holder !== owner) return;
  throw new BootError(
    "STORE_UNSUPPORTED",
    `in the store ${store.path} root's files belong to the user ${String(owner)}: an engine with a user namespace has written them, and no system runs from files that are not root's`,
    {
      hint: isRemapped
        ? `In a running system: docker save --output image.tar NAME; take "userns-remap" out of /etc/docker/daemon.json; systemctl restart docker; docker load --input image.tar; then name the directory above ${store.path}.`
        : "In a running system: pull the image as root (sudo podman pull NAME), and name the store of root's engine.",
    },
  );
}
