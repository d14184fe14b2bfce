import { lastValues, type CmdlineOption } from "./cmdline.ts";
import { CONFIGURABLE, parseConfig, type ConfigSource } from "./config.ts";
import { parseDeviceSpec, type DeviceSpec } from "./device-spec.ts";
import { chooseImage } from "./image-option.ts";
import type { ImageReference } from "./image-ref.ts";
import { invalidOption } from "./option-error.ts";

export interface TopLayerOptions {
  readonly device: DeviceSpec;
  readonly fsType: string | undefined;
  /** Mount flags as given, `ro` and `rw` left out: the mount is always read-only. */
  readonly mountFlags: readonly string[];
  /** Relative to the device's filesystem; `""` is all of it. */
  readonly path: string;
}

/** What the kernel command line and the configuration ask for. Paths are relative to the top level. */
export interface BootOptions {
  readonly root: DeviceSpec;
  /** How long to wait for a device that is not there yet; Infinity with a bare `rootwait`. */
  readonly deviceTimeoutMs: number;
  /** `subvol=`, without slashes at its ends. */
  readonly rwlayer: string;
  /** The flags of `rootflags=` that also serve the top-level mount. */
  readonly mountFlags: readonly string[];
  readonly storePath: string;
  readonly image: ImageReference;
  readonly topLayer: TopLayerOptions | undefined;
  readonly init: string | undefined;
  /** How many former rwlayers to keep. */
  readonly generations: number;
  /** What looks wrong but need not stop a boot. */
  readonly warnings: readonly string[];
}

const DEFAULT_DEVICE_TIMEOUT_MS = 10_000;
const DEFAULT_GENERATIONS = 1;
const MAX_GENERATIONS = 1000;

/**
 * Turns the kernel command line and the configuration into options; a kernel option wins.
 * @throws BootError INVALID_OPTION, INVALID_CONFIG or INVALID_REFERENCE
 */
export function readBootOptions(
  cmdline: readonly CmdlineOption[],
  configSource: ConfigSource | undefined,
): BootOptions {
  const kernel = lastValues(cmdline);
  const warnings: string[] = [];
  const config = parseConfig(configSource, warnings);
  const option = (key: string): string | undefined =>
    kernel.has(key) ? nonEmpty(kernel.get(key)) : config.get(key);

  for (const key of kernel.keys()) {
    if (key.startsWith("dockroot.") && !CONFIGURABLE.has(key)) {
      warnings.push(`the kernel option ${key} is not known and has no effect`);
    }
  }
  const fsType = kernel.get("rootfstype");
  if (fsType !== undefined && !fsType.split(",").includes("btrfs")) {
    throw invalidOption(
      `rootfstype=${fsType} cannot be used: the root filesystem must be btrfs`,
      "Correct or drop rootfstype= in the boot menu entry.",
    );
  }
  const rwlayerMode = option("dockroot.rwlayer") ?? "fresh";
  if (rwlayerMode !== "fresh") {
    throw invalidOption(
      `dockroot.rwlayer=${rwlayerMode} is not supported by this version of dockroot`,
      "The only mode is dockroot.rwlayer=fresh, which is also the default.",
    );
  }

  const rwlayer = readSubvolume(kernel.get("rootflags"));
  const topLayer = readTopLayer(option);
  if (topLayer === undefined && option("toplayer_path") !== undefined) {
    warnings.push(
      "toplayer_path= is given without toplayer=: no top layer is copied",
    );
  }
  return {
    root: readRoot(kernel.get("root")),
    deviceTimeoutMs: readDeviceTimeout(kernel),
    rwlayer,
    mountFlags: readMountFlags(kernel.get("rootflags") ?? ""),
    storePath: readStorePath(option("docker_path")),
    image: chooseImage(
      {
        image: nonEmpty(kernel.get("docker_image")),
        tag: nonEmpty(kernel.get("docker_tag")),
      },
      { image: config.get("docker_image"), tag: config.get("docker_tag") },
      warnings,
    ),
    topLayer,
    init: readInit(kernel.get("init")),
    generations: readGenerations(option("dockroot.generations")),
    warnings,
  };
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

function readSubvolume(rootflags: string | undefined): string {
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
  if (parts[0] === ".dockroot") {
    throw invalidOption(
      `rootflags=subvol=${value} lies in dockroot's own directory`,
      "Choose a name outside .dockroot for the rwlayer.",
    );
  }
  return parts.join("/");
}

function readMountFlags(rootflags: string): string[] {
  return splitFlags(rootflags).filter(
    (flag) => !/^(?:ro|rw|subvol=.*|subvolid=.*)$/.test(flag),
  );
}

function readStorePath(value: string | undefined): string {
  if (value === undefined) {
    throw invalidOption(
      "docker_path= is given neither on the kernel command line nor in the configuration",
      "Name the image store's directory, relative to the filesystem's top level: docker_path=docker.",
    );
  }
  const parts = splitPath(value);
  refuseOddPath("docker_path=", value, parts);
  if (parts.length === 0) {
    throw invalidOption(
      `docker_path=${value} is the filesystem's top level itself`,
      "The image store must be in a directory or subvolume of its own, beside the rwlayer: docker_path=docker.",
    );
  }
  return parts.join("/");
}

function readTopLayer(
  option: (key: string) => string | undefined,
): TopLayerOptions | undefined {
  const device = option("toplayer");
  if (device === undefined) return undefined;
  const path = option("toplayer_path") ?? "/";
  const parts = splitPath(path);
  refuseOddPath("toplayer_path=", path, parts);
  return {
    device: parseDeviceSpec("toplayer", device),
    fsType: option("toplayerfstype"),
    mountFlags: splitFlags(option("toplayerflags") ?? "").filter(
      (flag) => flag !== "ro" && flag !== "rw",
    ),
    path: parts.join("/"),
  };
}

function readDeviceTimeout(
  kernel: ReadonlyMap<string, string | undefined>,
): number {
  if (kernel.has("rootwait")) {
    const seconds = nonEmpty(kernel.get("rootwait"));
    return seconds === undefined
      ? Infinity
      : readSeconds("rootwait", seconds) * 1000;
  }
  const seconds = nonEmpty(kernel.get("rootdelay"));
  return seconds === undefined
    ? DEFAULT_DEVICE_TIMEOUT_MS
    : readSeconds("rootdelay", seconds) * 1000;
}

function readSeconds(option: string, value: string): number {
  if (!/^[0-9]{1,6}$/.test(value)) {
    throw invalidOption(
      `${option}=${value} is no number of seconds`,
      `Write for example ${option}=30.`,
    );
  }
  return Number(value);
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

function splitPath(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

function splitFlags(flags: string): string[] {
  return flags.split(",").filter((flag) => flag !== "");
}

function refuseOddPath(
  option: string,
  value: string,
  parts: readonly string[],
): void {
  if (value.includes("\uFFFD")) {
    throw invalidOption(
      `${option}${value} is not valid UTF-8`,
      "Write the path in UTF-8, or rename it.",
    );
  }
  if (parts.includes("..")) {
    throw invalidOption(
      `${option}${value} has ".." in it`,
      "Write the path from the filesystem's top level, without dots.",
    );
  }
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}
