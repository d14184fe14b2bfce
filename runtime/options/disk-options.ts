import { parseDeviceSpec, type DeviceSpec } from "./device-spec.ts";
import {
  invalidOption,
  nonEmpty,
  readChoice,
  readSecondsAsMs,
  refuseOddPath,
  splitFlags,
  splitPath,
  type OptionReader,
} from "./option-values.ts";
import { DOCKROOT_DIRECTORY, rwlayerOfGeneration } from "./rwlayer-names.ts";

/** Where root is, and what stands in where it cannot be made. Paths are relative to the top level. */
export interface DiskOptions {
  readonly root: DeviceSpec;
  /** How long to wait for a device that is not there yet; Infinity with a bare `rootwait`. */
  readonly deviceTimeoutMs: number;
  /** The flags of `rootflags=` that also serve the top-level mount. */
  readonly mountFlags: readonly string[];
  /** `subvol=`, without slashes at its ends. */
  readonly rwlayer: string;
  /** Where `subvol=` names a former rwlayer, which is booted as it is: its path. */
  readonly generation: string | undefined;
  readonly init: string | undefined;
  /** How many former rwlayers to keep. */
  readonly generations: number;
  /** Whether a former root boots where no new one can be made. */
  readonly fallback: "last" | "none";
  /** How long one helper program may take. */
  readonly helperTimeoutMs: number;
}

const DEFAULT_DEVICE_TIMEOUT_MS = 10_000;

const DEFAULT_HELPER_TIMEOUT_MS = 300_000;

const DEFAULT_GENERATIONS = 1;

/** As many as `dockroot.generations=` may ask for. */
export const MAX_GENERATIONS = 1000;

/**
 * @param kernel the kernel's options; of a bare one the value is `undefined`
 * @param option finds what the configuration can say, too
 * @throws BootError INVALID_OPTION
 */
export function readDiskOptions(
  kernel: ReadonlyMap<string, string | undefined>,
  option: OptionReader,
): DiskOptions {
  const fsType = kernel.get("rootfstype");
  if (fsType !== undefined && !fsType.split(",").includes("btrfs")) {
    throw invalidOption(
      `rootfstype=${fsType} cannot be used: the root filesystem must be btrfs`,
      "Correct or drop rootfstype= in the boot menu entry.",
    );
  }
  for (const key of ["root", "rootflags"]) {
    refuseQuotesWithin(key, kernel.get(key));
  }
  return {
    root: readRoot(kernel.get("root")),
    deviceTimeoutMs: readDeviceTimeout(kernel),
    mountFlags: readMountFlags(kernel.get("rootflags") ?? ""),
    ...readTarget(kernel.get("rootflags")),
    init: readInit(kernel.get("init")),
    generations: readGenerations(option("dockroot.generations")),
    fallback: readChoice("dockroot.fallback", option("dockroot.fallback"), [
      "last",
      "none",
    ]),
    helperTimeoutMs: readHelperTimeout(option("dockroot.timeout")),
  };
}

/**
 * Whether quotes within a value belong to it is another answer for the kernel, systemd and the scripts of
 * each initramfs: what is mounted as root could be another subvolume than the one that was made.
 */
function refuseQuotesWithin(key: string, value: string | undefined): void {
  if (value?.includes('"') !== true) return;
  throw invalidOption(
    `${key}=${value} has quotes within its value, which not every program reads alike`,
    `Write ${key}=${value.replaceAll('"', "")}; where there are spaces in it, quotes around the whole: "${key}=...".`,
  );
}

function readRoot(value: string | undefined): DeviceSpec {
  if (nonEmpty(value) === undefined) {
    throw invalidOption(
      "the kernel option root= is missing",
      "Name the filesystem with the image store, for example root=LABEL=linux.",
    );
  }
  return parseDeviceSpec("root", value ?? "");
}

function readTarget(
  rootflags: string | undefined,
): Pick<DiskOptions, "rwlayer" | "generation"> {
  const example =
    "Write for example rootflags=subvol=docker_rwlayer: the subvolume that dockroot makes and the initramfs mounts as root.";
  const flags = splitFlags(rootflags ?? "");
  const subvolumes = flags.filter((flag) => flag.startsWith("subvol="));
  if (subvolumes.length === 0) {
    const byNumber = flags.find((flag) => flag.startsWith("subvolid="));
    throw invalidOption(
      byNumber === undefined
        ? "rootflags= has no subvol=NAME"
        : `rootflags= has ${byNumber} but no subvol=NAME; the rwlayer is made anew at each start, so its number changes`,
      example,
    );
  }
  if (flags.some((flag) => flag.startsWith("subvolid="))) {
    throw invalidOption(
      "rootflags= has both subvol= and subvolid=; the rwlayer's number changes at each start",
      "Drop subvolid= from rootflags=.",
    );
  }
  const value = (subvolumes.at(-1) ?? "").slice("subvol=".length);
  const parts = splitPath(value);
  if (parts.length === 0) {
    throw invalidOption(
      `rootflags=subvol=${value} names the top level itself, not a subvolume below it`,
      example,
    );
  }
  refuseOddPath("rootflags=subvol=", value, parts);
  const subvolume = parts.join("/");
  const rwlayer = rwlayerOfGeneration(subvolume);
  if (rwlayer !== undefined) {
    refuseOddPath("rootflags=subvol=", value, rwlayer.split("/"));
    return { rwlayer, generation: subvolume };
  }
  if (parts[0] === DOCKROOT_DIRECTORY) {
    throw invalidOption(
      `rootflags=subvol=${value} lies in dockroot's own directory, and is no generation`,
      `Choose a name outside ${DOCKROOT_DIRECTORY} for the rwlayer; a former one is at ${DOCKROOT_DIRECTORY}/NAME/generations/NUMBER.`,
    );
  }
  return { rwlayer: subvolume, generation: undefined };
}

function readMountFlags(rootflags: string): string[] {
  return splitFlags(rootflags).filter(
    (flag) => !/^(?:ro$|rw$|subvol=|subvolid=)/.test(flag),
  );
}

function readDeviceTimeout(
  kernel: ReadonlyMap<string, string | undefined>,
): number {
  if (kernel.has("rootwait")) {
    const seconds = nonEmpty(kernel.get("rootwait"));
    return seconds === undefined
      ? Infinity
      : readSecondsAsMs("rootwait", seconds);
  }
  const seconds = nonEmpty(kernel.get("rootdelay"));
  return seconds === undefined
    ? DEFAULT_DEVICE_TIMEOUT_MS
    : readSecondsAsMs("rootdelay", seconds);
}

function readHelperTimeout(value: string | undefined): number {
  if (value === undefined) return DEFAULT_HELPER_TIMEOUT_MS;
  const timeoutMs = readSecondsAsMs("dockroot.timeout", value);
  if (timeoutMs > 0) return timeoutMs;
  throw invalidOption(
    "dockroot.timeout=0 leaves a helper program no time",
    "Write for example dockroot.timeout=600.",
  );
}

function readInit(value: string | undefined): string | undefined {
  const init = nonEmpty(value);
  if (init === undefined || init.startsWith("/")) return init;
  throw invalidOption(
    `init=${init} is not an absolute path`,
    "Write for example init=/sbin/init, or leave init= out.",
  );
}

function readGenerations(value: string | undefined): number {
  if (value === undefined) return DEFAULT_GENERATIONS;
  if (!/^[0-9]{1,4}$/.test(value) || Number(value) > MAX_GENERATIONS) {
    throw invalidOption(
      `dockroot.generations=${value} is no number from 0 to ${String(MAX_GENERATIONS)}`,
      "Write how many former rwlayers to keep, for example dockroot.generations=1.",
    );
  }
  return Number(value);
}
