import { parseCmdline, type CmdlineOption } from "../../../runtime/cmdline.ts";
import { waitForDevice } from "../../../runtime/device.ts";
import {
  gatherOptions,
  readOptionTexts,
} from "../../../runtime/gather-options.ts";
import { BootError } from "../../../runtime/host/errors.ts";
import type { Host } from "../../../runtime/host/host.ts";
import { readMounts } from "../../../runtime/mounts.ts";
import { DEFAULT_STORE } from "../../image.ts";
import { locate } from "../toplayer/locate.ts";

/** Where the image store is. */
export interface StorePlace {
  /** A path below /dev. */
  readonly device: string;
  /** From the filesystem's top level. */
  readonly path: string;
  /** The rwlayer of this start, where its kernel options say where the store is. */
  readonly startedRwlayer: string | undefined;
}

const OWN_FILES = { cmdline: undefined, config: undefined };
const REMEDY =
  "Mount the btrfs with the image store there, or name the store's directory with --docker DIR.";

/**
 * Where this start's kernel options say, where dockroot made its root; else where the directory is
 * mounted from.
 * @param given the engine's directory, absolute: then the kernel options do not count
 * @throws BootError, HelperError
 */
export async function findStore(
  host: Host,
  given: string | undefined,
): Promise<StorePlace> {
  return (
    (given === undefined ? await fromThisStart(host) : undefined) ??
    (await fromMount(host, given ?? DEFAULT_STORE))
  );
}

/** This start's kernel options, in order. */
export function readCmdline(host: Host): readonly CmdlineOption[] {
  return parseCmdline(readOptionTexts(host, OWN_FILES).cmdline);
}

async function fromThisStart(host: Host): Promise<StorePlace | undefined> {
  try {
    const { disk, readSystem } = gatherOptions(host, OWN_FILES);
    const { storePath } = readSystem();
    const device = await waitForDevice(host, disk.root, 0);
    return {
      device: device.path,
      path: storePath,
      startedRwlayer: disk.rwlayer,
    };
  } catch (error) {
    // Another system than one that dockroot starts.
    if (error instanceof BootError) return undefined;
    throw error;
  }
}

async function fromMount(host: Host, store: string): Promise<StorePlace> {
  const directory = host.path(store);
  if (host.files.statusOfTarget(directory)?.kind !== "directory") {
    throw new BootError("STORE_MISSING", `there is no image store ${store}`, {
      hint: REMEDY,
    });
  }
  const real = host.files.realPath(directory);
  const location = locate(readMounts(host), real);
  if (location?.mount.fsType !== "btrfs") {
    throw new BootError(
      "STORE_UNSUPPORTED",
      `the image store ${store} is on ${location?.mount.fsType ?? "nothing that is mounted"}, not on btrfs`,
      { hint: REMEDY },
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
    startedRwlayer: undefined,
  };
}
