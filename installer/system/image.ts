import path from "node:path";
import { gatherOptions } from "../../runtime/boot/gather-options.ts";
import {
  BootError,
  systemErrorCode,
  type ErrorCode,
} from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { CORRECT_IMAGE } from "../../runtime/images/image-missing.ts";
import { isBelow } from "../../runtime/base/is-below.ts";
import { readMounts } from "../../runtime/disk/mounts.ts";
import { explainMount } from "../../runtime/stores/split-store.ts";
import { locate } from "./formats/fstab.ts";
import { readImage } from "../../runtime/options/options.ts";
import {
  formatImageReference,
  parseImageReference,
  type ImageReference,
} from "../../runtime/images/image-ref.ts";
import { openStore } from "../../runtime/stores/open-store.ts";
import type { StoredTree, StoreLocation } from "../../runtime/stores/store.ts";
import { leafOf, withTree } from "./show-tree.ts";
import type { StoreKind } from "../../runtime/options/table.ts";
import {
  CORRECT_DIRECTORY,
  findStore,
  NAME_DIRECTORY,
  NAME_STORE,
  type StoreChoice,
} from "./find-store.ts";
import { REPAIR_STORE } from "../text/hints.ts";

/** An image that layers can be laid over. */
export interface ImageTree {
  readonly reference: string;
  readonly id: string;
  readonly store: StoreKind;
  /** Its whole tree. */
  readonly root: string;
  /** Where its store has the tree, or the leaf layer. */
  readonly leaf: string;
  /** That, and below it the other layers. */
  readonly directories: readonly string[];
  /** Whether the tree is one of layers, so that a root of it is an overlay. */
  readonly isOverlay: boolean;
}

/** One that is not shown yet. */
export interface UnseenTree extends Omit<ImageTree, "root"> {
  readonly tree: StoredTree;
}

/**
 * Which image is meant: the one that is given, else what the kernel options of this boot and the
 * configuration name.
 * @throws BootError
 */
export function readImageReference(
  host: Host,
  given: string | undefined,
): ImageReference {
  if (given !== undefined) return parseImageReference(given);
  const options = gatherOptions(host);
  if (options.configError !== undefined) throw options.configError;
  try {
    return readImage(options, []);
  } catch (cause) {
    if (!(cause instanceof BootError)) throw cause;
    throw new BootError("IMAGE_MISSING", "no image is named", {
      cause,
      hint: "Name it as docker images (or podman images) prints it: --image NAME:TAG.",
    });
  }
}

/** @throws BootError */
export function findImage(
  location: StoreLocation,
  kind: StoreKind | undefined,
  reference: ImageReference,
): UnseenTree {
  const { id, store, tree } = openStore(location, kind).find(reference);
  return {
    reference: formatImageReference(reference, { id, store }),
    ...{ id, store, tree },
    leaf: path.join(location.topLevel, leafOf(tree)),
    directories: (tree.kind === "layers"
      ? tree.layers.map(({ directory }) => directory)
      : [tree.source]
    ).map((directory) => path.join(location.topLevel, directory)),
    isOverlay: tree.kind === "layers",
  };
}

/**
 * Has the tree of an image there for as long as the work takes.
 * @throws BootError MOUNT_FAILED
 */
export function showImage<T>(
  host: Host,
  topLevel: string,
  { tree, ...image }: UnseenTree,
  work: (image: ImageTree) => Promise<T>,
): Promise<T> {
  return withTree(host, topLevel, tree, (root) => work({ ...image, root }));
}

/**
 * Has the tree of an image there that is in a store which the running system sees.
 * @throws BootError
 */
export async function withImageInSystem<T>(
  host: Host,
  choice: StoreChoice,
  given: string | undefined,
  work: (image: ImageTree) => Promise<T>,
): Promise<T> {
  const reference = readImageReference(host, given);
  const image = lookInStore(host, choice, reference, (location, kind) => {
    const found = findImage(location, kind, reference);
    requireInInitramfs(host, location.path, found.store, found.leaf);
    return found;
  });
  return showImage(host, host.path("/"), image, work);
}

/** Where each kind of store has what leads to a tree, relative to its directory. */
const METADATA: Readonly<Record<StoreKind, readonly string[]>> = {
  graphdriver: ["image"],
  containerd: [
    ...["metadata.v1.bolt", "content.v1.content"],
    ...["snapshotter.v1.btrfs", "snapshotter.v1.overlayfs"],
  ]
    .map((plugin) => `io.containerd.${plugin}`)
    .flatMap((plugin) => [plugin, `containerd/daemon/${plugin}`]),
  podman: ["btrfs", "overlay"].flatMap((driver) => [
    ...[`${driver}-images`, `${driver}-layers`],
  ]),
};

/**
 * An initramfs mounts the store's filesystem alone: what this system mounts over a directory of the store
 * is not there.
 * @param directory of the store, absolute, as the system sees it
 * @param tree of the image that was found in it
 * @throws BootError SOURCE_MISSING
 */
export function requireInInitramfs(
  host: Host,
  directory: string,
  kind: StoreKind,
  tree: string,
): void {
  const mounts = readMounts(host);
  const store = host.files.realPath(host.path(directory));
  const base = locate(mounts, store);
  if (base === undefined) return;
  const parts = METADATA[kind].map((part) => path.join(store, part));
  for (const part of [...parts, tree]) {
    if (host.files.statusOfTarget(part) === undefined) continue;
    const place = host.files.realPath(part);
    const { mount, path: found } = locate(mounts, place) ?? base;
    const isHere = mount.device === base.mount.device;
    const expected = path.join(base.path, path.relative(store, place));
    // An initramfs follows a link that leads elsewhere on the filesystem.
    if (!isBelow(place, store) || (isHere && found === expected)) continue;
    const file = path.relative(store, mount.mountPoint);
    throw new BootError(
      "SOURCE_MISSING",
      `the image store needs ${mount.mountPoint}, which the initramfs does not mount`,
      explainMount(
        host,
        mount,
        isHere,
        base.mount.source,
        path.join(base.path, file),
      ),
    );
  }
}

/**
 * Looks for an image in a store that the running system sees.
 * @throws BootError whose hint is for who sits at the running system
 */
export function lookInStore<T>(
  host: Host,
  choice: StoreChoice,
  reference: ImageReference,
  look: (location: StoreLocation, kind: StoreKind | undefined) => T,
): T {
  let store = choice.directory;
  try {
    const { directory, kind, isPresent } = findStore(host, choice);
    store = directory;
    if (!isPresent) {
      throw new BootError("STORE_MISSING", `${store} is not a directory`);
    }
    // Absolute, so that messages name it as it is seen here.
    const location = { host, topLevel: host.path("/"), path: store };
    return look(location, kind);
  } catch (cause) {
    if (isDenied(cause)) {
      throw new BootError(
        "NOT_ROOT",
        `only root may read ${store ?? "the image stores"}`,
        { cause, hint: "Run it with sudo." },
      );
    }
    if (!(cause instanceof BootError)) throw cause;
    const { code } = cause;
    const inStore = store === undefined ? "" : ` in ${store}`;
    let hint = HINTS[code];
    if (code === "IMAGE_MISSING" && cause.hint !== CORRECT_IMAGE) {
      hint = cause.hint;
    } else if (code === "STORE_MISSING" && choice.kind !== undefined) {
      hint = `Correct or drop --store ${choice.kind}, or name ${choice.directory === undefined ? "the store's directory" : "another directory"}: --store-path DIR.`;
    } else if (code === "STORE_MISSING" && choice.directory !== undefined) {
      hint = CORRECT_DIRECTORY;
    } else if (code === "STORE_AMBIGUOUS" && store === undefined) {
      hint = NAME_DIRECTORY;
    }
    if (hint === undefined) throw cause;
    const what = `cannot find the image ${formatImageReference(reference)}${inStore}`;
    throw new BootError(code, what, { cause, hint });
  }
}

export const NAME_IMAGE =
  "Name an image as docker images (or podman images) prints it, or pull it.";

const HINTS: Readonly<Partial<Record<ErrorCode, string>>> = {
  STORE_MISSING: NAME_STORE,
  STORE_AMBIGUOUS:
    "Choose one: --store graphdriver (Docker's own), --store containerd or --store podman. Docker uses containerd's where docker info has the driver-type io.containerd.snapshotter.v1.",
  IMAGE_MISSING: NAME_IMAGE,
  STORE_DAMAGED: REPAIR_STORE,
};

/** Whether the system refused it to this user, at last. */
function isDenied(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (["EACCES", "EPERM"].includes(systemErrorCode(cause) ?? "")) return true;
  }
  return false;
}
