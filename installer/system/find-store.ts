import path from "node:path";
import { BootError } from "../../runtime/base/errors.ts";
import { isSubvolume } from "../../runtime/disk/btrfs.ts";
import { waitForDevice } from "../../runtime/disk/device.ts";
import { findDevice } from "./find-device.ts";
import { readMounts } from "../../runtime/disk/mounts.ts";
import { followIn } from "../../runtime/host/follow-in.ts";
import type { Host } from "../../runtime/host/host.ts";
import {
  formatDeviceSpec,
  OVERLAY_FILESYSTEMS,
} from "../../runtime/options/parsers.ts";
import { DEFAULT_RUN_DIRECTORY } from "../../runtime/disk/run-directory.ts";
import type { StoreKind } from "../../runtime/options/table.ts";
import {
  BOOT_RECORD,
  OVERLAY_DISK,
  parseBootRecord,
} from "../../runtime/records/boot-record.ts";
import { findReaders } from "../../runtime/stores/open-store.ts";
import type { StoreLocation, StoreReader } from "../../runtime/stores/store.ts";
import {
  directoryOf,
  homeOf,
  HOMES,
  type Home,
} from "../engines/formats/engine-configs.ts";
import type { StoreMount, UnknownMount } from "../toplayer/plan/make-fstab.ts";
import { readBootedOptions } from "./boot-target.ts";
import { locate, type Location } from "./formats/fstab.ts";
import { readSystemConfigs } from "./system-configs.ts";

/** Which store is asked for. */
export interface StoreChoice {
  /** Absolute, as the system sees it. */
  readonly directory: string | undefined;
  readonly kind: StoreKind | undefined;
}

/** An image store as a system sees it. */
export interface SystemStore {
  /** Absolute. */
  readonly directory: string;
  /** Which of the stores in the directory counts, where that was said. */
  readonly kind: StoreKind | undefined;
  readonly home: Home;
  readonly isPresent: boolean;
  /** What is mounted there; `undefined` where it is absent. */
  readonly location: Location | undefined;
}

export const NAME_STORE =
  "Mount the image store, or name its directory: --store-path DIR.";

/** For one that was named, and is not there. */
export const CORRECT_DIRECTORY =
  "Correct --store-path: the directory is /var/lib/docker, /var/lib/containerd or /var/lib/containers/storage, or where that is mounted from.";

export const NAME_DIRECTORY = "Choose one: --store-path DIR.";

/**
 * The store that is named, else the one that the kernel options of this boot name, where an engine of
 * the system has it, else the one that has images: of several the one of which a root can be made.
 * @throws BootError STORE_MISSING, STORE_AMBIGUOUS
 */
export function findStore(host: Host, choice: StoreChoice): SystemStore {
  if (choice.directory !== undefined) {
    return describeStore(host, choice.directory, choice.kind);
  }
  const options = readBootedOptions(host);
  const booted = options instanceof BootError ? undefined : options;
  const kind = choice.kind ?? booted?.storeKind;
  const configs = readSystemConfigs(host);
  const stores = HOMES.map((home) =>
    describeStore(host, directoryOf(configs, home), kind),
  );
  return (
    stores.find(
      ({ location }) =>
        booted !== undefined &&
        location !== undefined &&
        holdsRoots(location.mount.fsType) &&
        location.path === booted.storePath,
    ) ?? requireOne(host, stores, kind)
  );
}

/** @throws BootError STORE_MISSING, STORE_AMBIGUOUS */
function requireOne(
  host: Host,
  stores: readonly SystemStore[],
  kind: StoreKind | undefined,
): SystemStore {
  const withImages = stores
    .filter(({ isPresent }) => isPresent)
    .map((store) => {
      const path = store.directory.slice(1);
      const location = { host, topLevel: host.path("/"), path };
      return { store, readers: listStores(location, kind) };
    })
    .filter(({ readers }) => readers.length > 0);
  const usable = withImages.filter(({ readers }) => readers.some(canBeRoot));
  const [found, ...others] = usable.length > 0 ? usable : withImages;
  if (found === undefined) {
    const directories = stores.map(({ directory }) => directory).join(", ");
    throw new BootError(
      "STORE_MISSING",
      `there is no ${kind === undefined ? "image" : `${kind} store with images`} in ${directories}`,
      { hint: NAME_STORE },
    );
  }
  if (others.length === 0) return found.store;
  const all = [found, ...others].map(
    ({ store, readers }) =>
      `${store.directory} (${readers.map(({ name }) => name).join(", ")})`,
  );
  throw new BootError(
    "STORE_AMBIGUOUS",
    `several image stores have images: ${all.join(", ")}`,
    { hint: NAME_DIRECTORY },
  );
}

/** Docker's directory, whether it has images or not. */
export function findDockerStore(host: Host): SystemStore {
  const directory = directoryOf(readSystemConfigs(host), "docker");
  return describeStore(host, directory, undefined);
}

/** @param directory absolute, as the system sees it */
export function describeStore(
  host: Host,
  directory: string,
  kind: StoreKind | undefined,
): SystemStore {
  const at = host.path(directory);
  const isPresent = host.files.statusOfTarget(at)?.kind === "directory";
  return {
    directory,
    kind,
    home: homeOf(isPresent ? host.files.namesIn(at) : []),
    isPresent,
    location: isPresent
      ? locate(readMounts(host), host.files.realPath(at))
      : undefined,
  };
}

/** Whose the store at a path below a top level is. */
export function homeBelow(host: Host, topLevel: string, path: string): Home {
  const directory = followIn(host, topLevel, path);
  return homeOf(directory === undefined ? [] : host.files.namesIn(directory));
}

/** The stores in a directory that have images. A damaged one counts: whoever opens it is told. */
export function listStores(
  location: StoreLocation,
  kind: StoreKind | undefined,
): StoreReader[] {
  return findReaders(location, kind).filter((reader) =>
    unlessDamaged(() => reader.listIds().length > 0),
  );
}

/** Whether a root can be made of its images, as far as that shows. */
function canBeRoot(reader: StoreReader): boolean {
  return unlessDamaged(() => reader.treeKinds().length > 0);
}

function unlessDamaged<T>(ask: () => T): T | true {
  try {
    return ask();
  } catch (error) {
    if (error instanceof BootError && error.code === "STORE_DAMAGED") {
      return true;
    }
    throw error;
  }
}

/** Whether dockroot makes roots on such a filesystem. */
function holdsRoots(fsType: string): boolean {
  return OVERLAY_FILESYSTEMS.some((type) => type === fsType);
}

/** Whether a root of its images is an overlay: on btrfs their layers decide. */
function makesOverlays(
  host: Host,
  { directory, kind, location }: SystemStore,
): boolean {
  const { fsType } = location?.mount ?? {};
  if (fsType !== "btrfs") return fsType !== undefined && holdsRoots(fsType);
  const path = directory.slice(1);
  const kinds = listStores({ host, topLevel: host.path("/"), path }, kind)
    .map((reader) => unlessDamaged(() => reader.treeKinds()))
    .flatMap((known) => (known === true ? [] : known));
  return kinds.includes("layers") && !kinds.includes("subvolume");
}

/** An image store on its disk. */
export interface StorePlace {
  /** A path below /dev. */
  readonly device: string;
  /** From the filesystem's top level. */
  readonly path: string;
  readonly kind: StoreKind | undefined;
  /** Whether roots are overlays, not subvolumes. */
  readonly isOverlay: boolean;
  /** The rwlayer of this boot, where its kernel options say where the store is. */
  readonly bootedRwlayer: string | undefined;
}

/**
 * Where the kernel options of this boot say, where dockroot made its root; else where the directory is
 * mounted from.
 * @param choice with a directory the kernel options do not count
 * @throws BootError, HelperError
 */
export async function findStorePlace(
  host: Host,
  choice: StoreChoice,
): Promise<StorePlace> {
  const options = readBootedOptions(host);
  if (choice.directory === undefined && !(options instanceof BootError)) {
    const { root, rwlayer, isOverlay, storePath, storeKind } = options;
    try {
      return {
        device: (await waitForDevice(host, root, 0)).path,
        path: storePath,
        kind: choice.kind ?? storeKind,
        isOverlay,
        bootedRwlayer: rwlayer,
      };
    } catch (error) {
      // Another system than one that dockroot boots.
      if (!(error instanceof BootError) || hasBooted(host)) throw error;
    }
  }
  const store = findStore(host, choice);
  const { mount, path } = requireStorePath(store, choice);
  const spec = { kind: "path", path: mount.source } as const;
  return {
    device: (await waitForDevice(host, spec, 0)).path,
    path,
    kind: choice.kind,
    isOverlay: makesOverlays(host, store),
    bootedRwlayer: undefined,
  };
}

const MAX_RECORD_BYTES = 1024 * 1024;

/** Whether dockroot has made the root that runs. @throws BootError FILE_UNREADABLE */
function hasBooted(host: Host): boolean {
  const file = `${DEFAULT_RUN_DIRECTORY}/${BOOT_RECORD}`;
  const text = host.readText(file, MAX_RECORD_BYTES);
  return text !== undefined && parseBootRecord(text).booted.result !== "failed";
}

/** @throws BootError STORE_MISSING, STORE_UNSUPPORTED */
function requireStorePath(
  { directory, isPresent, location }: SystemStore,
  choice: StoreChoice,
): Location {
  if (!isPresent) {
    throw new BootError(
      "STORE_MISSING",
      `there is no image store ${directory}`,
      {
        hint: choice.directory === undefined ? NAME_STORE : CORRECT_DIRECTORY,
      },
    );
  }
  if (location === undefined || !holdsRoots(location.mount.fsType)) {
    throw new BootError(
      "STORE_UNSUPPORTED",
      `the image store ${directory} is on ${location?.mount.fsType ?? "nothing that is mounted"}, and dockroot makes roots on ${OVERLAY_FILESYSTEMS.join(", ")}`,
      {
        hint: "Move the engine's directory to such a filesystem (data-root in /etc/docker/daemon.json, graphroot in /etc/containers/storage.conf).",
      },
    );
  }
  if (location.path !== "") return location;
  throw new BootError(
    "STORE_UNSUPPORTED",
    `the image store ${directory} is the top level of its filesystem`,
    {
      hint:
        location.mount.fsType === "btrfs"
          ? "Move it to a subvolume of its own (btrfs subvolume create): dockroot creates the rwlayer beside it."
          : "Move it into a directory of that filesystem, and bind that to where it was: dockroot makes its roots beside it.",
    },
  );
}

/**
 * How the image store can be mounted: as it is mounted now, else as the kernel options of this boot
 * say.
 * @returns or why it cannot be told
 */
export async function findStoreMount(
  host: Host,
  choice: StoreChoice,
): Promise<StoreMount | UnknownMount> {
  let store: SystemStore;
  let hasImages = true;
  try {
    store = findStore(host, choice);
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    if (error.code !== "STORE_MISSING") {
      return { home: "docker", unknown: error.message };
    }
    store = findDockerStore(host);
    hasImages = false;
  }
  const { directory, home, location } = store;
  const options = readBootedOptions(host);
  const isKnown = hasImages || options instanceof BootError;
  const bind = (storePath: string) => ({
    ...{ home, fsType: "none", options: "bind" },
    source: path.join(OVERLAY_DISK, storePath),
  });
  if (isKnown && location !== undefined && makesOverlays(host, store)) {
    return location.path === ""
      ? {
          home,
          unknown: `${directory} is the top level of its filesystem`,
        }
      : { ...bind(location.path), overlayDevice: location.mount.source };
  }
  if (location?.mount.fsType === "btrfs") {
    const real = host.files.realPath(host.path(directory));
    return isSubvolume(host, real) && location.path !== ""
      ? {
          home,
          source: await nameSource(host, location),
          ...{ fsType: "btrfs", options: `subvol=${location.path}` },
        }
      : {
          home,
          unknown: `${directory} is on btrfs, but is not a subvolume that a line of fstab could mount`,
        };
  }
  if (options instanceof BootError) {
    return {
      home: "docker",
      unknown: `${directory} is on ${location?.mount.fsType ?? "nothing that is mounted"}, and the kernel options of this boot name no image store`,
    };
  }
  const { root, isOverlay, storePath, storeKind } = options;
  return {
    ...(isOverlay
      ? bind(storePath)
      : {
          source: formatDeviceSpec(root),
          ...{ fsType: "btrfs", options: `subvol=${storePath}` },
        }),
    home: storeKind === "podman" ? "podman" : "docker",
  };
}

/** The filesystem's UUID, which stays as it is, or where there is none its device. @throws HelperError */
async function nameSource(host: Host, { mount }: Location): Promise<string> {
  const uuid = (await findDevice(host, mount.source))?.uuid;
  return uuid === undefined ? mount.source : `UUID=${uuid}`;
}
