import {
  parseCmdline,
  type CmdlineOption,
} from "../../runtime/options/cmdline.ts";
import { waitForDevice } from "../../runtime/disk/device.ts";
import {
  gatherOptions,
  readOptionTexts,
} from "../../runtime/boot/gather-options.ts";
import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { readMounts } from "../../runtime/disk/mounts.ts";
import type { StoreKind } from "../../runtime/options/store-kinds.ts";
import {
  findSystemStore,
  NAME_STORE,
  type StoreChoice,
} from "./find-system-store.ts";
import { locate } from "./formats/fstab.ts";

/** Where the image store is. */
export interface StorePlace {
  /** A path below /dev. */
  readonly device: string;
  /** From the filesystem's top level. */
  readonly path: string;
  /** Which of the stores there counts, where that was said. */
  readonly kind: StoreKind | undefined;
  /** The rwlayer of this start, where its kernel options say where the store is. */
  readonly startedRwlayer: string | undefined;
}

/**
 * Where this start's kernel options say, where dockroot made its root; else where the directory is
 * mounted from.
 * @param choice with a directory the kernel options do not count
 * @throws BootError, HelperError
 */
export async function findStore(
  host: Host,
  choice: StoreChoice,
): Promise<StorePlace> {
  return (
    (choice.directory === undefined
      ? await fromThisStart(host, choice.kind)
      : undefined) ?? (await fromMount(host, choice))
  );
}

/** This start's kernel options, in order. */
export function readCmdline(host: Host): readonly CmdlineOption[] {
  return parseCmdline(readOptionTexts(host).cmdline);
}

async function fromThisStart(
  host: Host,
  kind: StoreKind | undefined,
): Promise<StorePlace | undefined> {
  try {
    const { disk, readSystem } = gatherOptions(host);
    const { storePath, storeKind } = readSystem();
    const device = await waitForDevice(host, disk.root, 0);
    return {
      device: device.path,
      path: storePath,
      kind: kind ?? storeKind,
      startedRwlayer: disk.rwlayer,
    };
  } catch (error) {
    // Another system than one that dockroot starts.
    if (error instanceof BootError) return undefined;
    throw error;
  }
}

async function fromMount(host: Host, choice: StoreChoice): Promise<StorePlace> {
  const { directory: store } = findSystemStore(host, choice);
  const directory = host.path(store);
  if (host.files.statusOfTarget(directory)?.kind !== "directory") {
    throw new BootError("STORE_MISSING", `there is no image store ${store}`, {
      hint: NAME_STORE,
    });
  }
  const real = host.files.realPath(directory);
  const location = locate(readMounts(host), real);
  if (location?.mount.fsType !== "btrfs") {
    throw new BootError(
      "STORE_UNSUPPORTED",
      `the image store ${store} is on ${location?.mount.fsType ?? "nothing that is mounted"}, not on btrfs`,
      { hint: NAME_STORE },
    );
  }
  if (location.path === "") {
    throw new BootError(
      "STORE_UNSUPPORTED",
      `the image store ${store} is the top level of its filesystem`,
      {
        hint: "Give it a subvolume of its own, beside which the rwlayer can stand: btrfs subvolume create.",
      },
    );
  }
  const spec = { kind: "path", path: location.mount.source } as const;
  const device = await waitForDevice(host, spec, 0);
  return {
    device: device.path,
    path: location.path,
    kind: choice.kind,
    startedRwlayer: undefined,
  };
}
