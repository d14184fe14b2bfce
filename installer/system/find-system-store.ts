import { gatherOptions } from "../../runtime/boot/gather-options.ts";
import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { readMounts } from "../../runtime/disk/mounts.ts";
import type { StoreKind } from "../../runtime/options/store-kinds.ts";
import type { SystemOptions } from "../../runtime/options/system-options.ts";
import { locate } from "./formats/fstab.ts";
import { directoryOf } from "../engines/engine-configs.ts";
import { HOMES } from "../engines/home.ts";
import { readSystemConfigs } from "./system-configs.ts";
import { canBeRoot, listStores } from "./list-stores.ts";

/** Which store is asked for. */
export interface StoreChoice {
  /** Absolute, as the running system sees it. */
  readonly directory: string | undefined;
  readonly kind: StoreKind | undefined;
}

/** A store that the running system sees. */
export interface SystemStore {
  /** Absolute. */
  readonly directory: string;
  readonly kind: StoreKind | undefined;
}

export const NAME_STORE =
  "Mount the image store, or name its directory: --store-path DIR.";

export const NAME_DIRECTORY = "Say which one is meant: --store-path DIR.";

/**
 * The store that is named, else the one that the kernel options of this start name, where an engine of
 * the running system has it, else the one that has images: of several the one of which a root can be
 * made.
 * @throws BootError STORE_MISSING, STORE_AMBIGUOUS
 */
export function findSystemStore(host: Host, choice: StoreChoice): SystemStore {
  if (choice.directory !== undefined) {
    return { directory: choice.directory, kind: choice.kind };
  }
  const configs = readSystemConfigs(host);
  const directories = HOMES.map((home) => directoryOf(configs, home));
  const started = readStoreOptions(host);
  const kind = choice.kind ?? started?.storeKind;
  const booted = directories.find(
    (directory) =>
      started !== undefined &&
      pathOnDisk(host, directory) === started.storePath,
  );
  if (booted !== undefined) return { directory: booted, kind };
  const stores = directories.flatMap((directory) => {
    if (!isDirectory(host, directory)) return [];
    const place = { host, topLevel: host.path("/"), path: directory.slice(1) };
    const readers = listStores(place, kind);
    return readers.length === 0 ? [] : [{ directory, readers }];
  });
  const usable = stores.filter(({ readers }) => readers.some(canBeRoot));
  const [store, ...others] = usable.length > 0 ? usable : stores;
  if (store === undefined) {
    throw new BootError(
      "STORE_MISSING",
      `there is no ${kind === undefined ? "image" : `${kind} store with images`} in ${directories.join(", ")}`,
      { hint: NAME_STORE },
    );
  }
  if (others.length > 0) {
    const all = [store, ...others].map(
      ({ directory, readers }) =>
        `${directory} (${readers.map(({ name }) => name).join(", ")})`,
    );
    throw new BootError(
      "STORE_AMBIGUOUS",
      `several image stores have images: ${all.join(", ")}`,
      { hint: NAME_DIRECTORY },
    );
  }
  return { directory: store.directory, kind };
}

/** From the top level of the filesystem; `undefined` where the directory is absent, or not on btrfs. */
function pathOnDisk(host: Host, directory: string): string | undefined {
  if (!isDirectory(host, directory)) return undefined;
  const real = host.files.realPath(host.path(directory));
  const location = locate(readMounts(host), real);
  return location?.mount.fsType === "btrfs" ? location.path : undefined;
}

function isDirectory(host: Host, directory: string): boolean {
  return host.files.statusOfTarget(host.path(directory))?.kind === "directory";
}

function readStoreOptions(
  host: Host,
): Pick<SystemOptions, "storePath" | "storeKind"> | undefined {
  try {
    return gatherOptions(host).readSystem();
  } catch (error) {
    // Another system than one that dockroot starts.
    if (error instanceof BootError) return undefined;
    throw error;
  }
}
