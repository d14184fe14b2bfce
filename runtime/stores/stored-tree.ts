import path from "node:path";
import { BootError } from "../base/errors.ts";
import { isSubvolume } from "../disk/btrfs.ts";
import type { Host } from "../host/host.ts";
import type { ImageId } from "../images/image-ref.ts";
import {
  sourceMissing,
  type StoreFile,
  type StoreFiles,
} from "./store-files.ts";
import type { LayeredTree, SubvolumeTree, TreeLayer } from "./store.ts";

/** overlayfs itself takes 500. */
export const MAX_LAYERS = 450;

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
): SubvolumeTree {
  const { host, topLevel } = store;
  const tree = path.join(placeOf(store, directory), name);
  const source = path.relative(topLevel, tree);
  if (!isSubvolume(host, tree)) {
    throw sourceMissing(
      `the image ${id} has its leaf layer at ${source}`,
      ", but there is no subvolume",
      [store, path.join(directory, name)],
    );
  }
  const owner = host.files.statusOf(tree)?.uid ?? 0;
  if (owner !== 0) refuseShifted(store, source, owner);
  return { kind: "subvolume", source };
}

/**
 * @param list the file that says which layers the image has, for messages
 * @param id of the image
 * @param directory of the store; part of it may be a link that makes sense in the running system
 * @param found the layers, the leaf layer first, their directories relative to `directory`
 * @throws BootError SOURCE_MISSING, STORE_DAMAGED, or STORE_UNSUPPORTED where there are too many, or
 *   where their files are a user namespace's
 */
export function requireLayers(
  list: StoreFile,
  id: ImageId,
  directory: string,
  found: readonly TreeLayer[],
): LayeredTree {
  const [store] = list.place;
  const { topLevel } = store;
  for (const part of ["directory", "key"] as const) {
    if (new Set(found.map((layer) => layer[part])).size < found.length) {
      throw list.damaged(`the image ${id} has one of its layers twice`);
    }
  }
  if (found.length > MAX_LAYERS) throw tooManyLayers(store, id);
  const parent = placeOf(store, directory);
  const layers = found.map(({ directory: name, key }) => {
    const layer = path.relative(topLevel, path.join(parent, name));
    const owner = ownerOf(store.host, parent, name);
    if (owner === undefined) {
      throw sourceMissing(
        `the image ${id} has a layer at ${layer}`,
        ", but there is no directory",
        // What is mounted elsewhere is all of them, not a layer's own directory.
        [store, path.join(directory, path.dirname(name))],
      );
    }
    if (owner !== 0) refuseShifted(store, layer, owner);
    return { directory: layer, key };
  });
  return { kind: "layers", layers };
}

/** Where a directory of a store is on this machine, present or not. */
function placeOf(store: StoreFiles, directory: string): string {
  const asItIs = path.join(store.topLevel, store.path, directory);
  return store.resolve(directory) ?? asItIs;
}

/** Whose a directory is; `undefined` where there is none, or a link is on the way to it. */
function ownerOf(
  { files }: Host,
  parent: string,
  name: string,
): number | undefined {
  let directory = parent;
  let owner: number | undefined;
  for (const part of name.split("/")) {
    directory = path.join(directory, part);
    const status = files.statusOf(directory);
    if (status?.kind !== "directory") return undefined;
    owner = status.uid;
  }
  return owner;
}

function tooManyLayers({ path: store }: StoreFiles, id: ImageId): BootError {
  const most = String(MAX_LAYERS);
  return new BootError(
    "STORE_UNSUPPORTED",
    `the image ${id} in the store ${store} has more than ${most} layers, and no root is made of more`,
    {
      hint: "Make one layer of them in a running system: docker export $(docker create NAME true) | docker import - NAME (or the same with podman).",
    },
  );
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
  throw notRoots(store, owner, isRemapped);
}

/**
 * Refuses a store that is all another user's, which an engine that is not root's has written.
 * @throws BootError STORE_UNSUPPORTED
 */
export function refuseRootless(store: StoreFiles): void {
  const { files } = store.host;
  const directory = store.resolve("");
  if (directory === undefined) return;
  const holder = files.statusOf(directory)?.uid ?? 0;
  const owners = files
    .namesIn(directory)
    .map((name) => files.statusOf(path.join(directory, name))?.uid);
  if (holder === 0 || owners.length === 0 || owners.includes(0)) return;
  throw notRoots(store, holder, false);
}

function notRoots(
  { path: store }: StoreFiles,
  owner: number,
  isRemapped: boolean,
): BootError {
  return new BootError(
    "STORE_UNSUPPORTED",
    `in the store ${store} root's files belong to the user ${String(owner)}: an engine with a user namespace wrote them, and a system cannot boot from files that root does not own`,
    {
      hint: isRemapped
        ? `In a running system: docker save --output image.tar NAME; take "userns-remap" out of /etc/docker/daemon.json; systemctl restart docker; docker load --input image.tar; then name the directory above ${store}.`
        : "In a running system: pull the image as root (sudo podman pull NAME), and name the store of root's engine.",
    },
  );
}
