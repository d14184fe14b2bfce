import {
  formatImageReference,
  fullRepository,
  parseImageId,
  parseImageReference,
  splitReference,
  type ImageReference,
} from "../images/image-ref.ts";
import { BootError } from "../base/errors.ts";
import { lastValues, parseCmdline, type CmdlineOption } from "./cmdline.ts";
import { CONFIG_FILES, parseConfig, type ConfigSource } from "./config.ts";
import { invalidOption, lastSubvolume } from "./parsers.ts";
import {
  isKernelOption,
  isOptionName,
  OPTIONS,
  type KernelOption,
  type OptionName,
  type OptionValue,
} from "./table.ts";
import {
  addSources,
  DEFAULT,
  describeOptions,
  IMAGE_FLAG,
  KERNEL,
} from "./sources.ts";

/** A value, and where it comes from: `KERNEL`, `IMAGE_FLAG`, a configuration file by its name, or `DEFAULT`. */
interface Sourced<T> {
  readonly value: T;
  readonly source: string;
}

/** What the kernel command line and the configuration ask for, as text. */
export interface Options {
  /** The kernel command line itself. */
  readonly cmdline: string;
  /** All options on it, in their order. */
  readonly kernel: readonly CmdlineOption[];
  /** dockroot's options that are given: a kernel option wins over the configuration. */
  readonly given: ReadonlyMap<OptionName, Sourced<string>>;
  /** What looks wrong on the command line but need not stop a boot. */
  readonly warnings: readonly string[];
  readonly configWarnings: readonly string[];
  /** The configuration that counts; `undefined` where there is none. */
  readonly configFile: string | undefined;
  /** An invalid configuration counts as empty until the system's options are read. */
  readonly configError: BootError | undefined;
}

/** Where root is, and what stands in where it cannot be made. */
export type DiskOptions = ReturnType<typeof readDiskOptions>;

/** What a boot reads: the disk's options are valid. */
export interface BootOptions extends Options {
  readonly disk: DiskOptions;
}

/** Which system is to be root. Paths are relative to the top level. */
export type SystemOptions = ReturnType<typeof readSystemOptions>;

export type TopLayerOptions = NonNullable<SystemOptions["topLayer"]>;

/**
 * Collects what the kernel command line and the configuration give. Values are parsed by those who
 * read them: an earlier root can stand in where only the system's options are not valid.
 * @param cmdline what /proc/cmdline holds
 */
export function parseOptions(
  cmdline: string,
  source: ConfigSource | undefined,
): Options {
  const kernel = parseCmdline(cmdline);
  const given = new Map<OptionName, Sourced<string>>();
  const configWarnings: string[] = [];
  let configError: BootError | undefined;
  try {
    for (const [name, value] of parseConfig(source, configWarnings)) {
      given.set(name, { value, source: source?.file ?? "" });
    }
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    configError = error;
  }
  const warnings: string[] = [];
  for (const [name, value = ""] of lastValues(kernel)) {
    if (!isKernelOption(name)) {
      if (name.startsWith("dockroot.")) {
        warnings.push(
          `the kernel option ${name} is not known and has no effect`,
        );
      }
      continue;
    }
    const { isFlag, emptyIsUnset }: KernelOption = OPTIONS[name];
    if (value !== "" || isFlag) given.set(name, { value, source: KERNEL });
    else if (!emptyIsUnset) given.delete(name);
  }
  const flags = kernel.findLast(({ key }) => key === "rootflags")?.value ?? "";
  const joined = given.get("rootflags")?.value ?? "";
  if (lastSubvolume(flags) !== lastSubvolume(joined)) {
    warnings.push(
      `the last rootflags= has no subvol=: an initramfs without systemd, which does not join them, mounts root by that one alone; write rootflags=${joined} once`,
    );
  }
  const configFile = source?.file;
  return {
    cmdline,
    kernel,
    given,
    warnings,
    configWarnings,
    configError,
    configFile,
  };
}

/** The same options with the image that `--image` names. */
export function overrideImage(
  options: Options,
  reference: ImageReference,
): Options {
  const given = new Map(options.given);
  given.delete("docker_tag");
  for (const [name, value] of Object.entries(nameImage(reference))) {
    if (isOptionName(name)) given.set(name, { value, source: IMAGE_FLAG });
  }
  return { ...options, given };
}

/** @throws BootError INVALID_OPTION */
export function readBootOptions(options: Options): BootOptions {
  return { ...options, disk: readDiskOptions(options) };
}

/**
 * Where the initramfs of a new deployment is from. An invalid configuration says nothing of it: the image that corrects
 * it can be upgraded to.
 * @throws BootError INVALID_OPTION
 */
export function readInitramfsKind(options: Options) {
  return valuesOf(options)("initramfs");
}

/** @throws BootError INVALID_OPTION */
export function readDiskOptions(options: Options) {
  const read = valuesOf(options);
  const { subvolume, mountFlags } = read("rootflags");
  const place = read("dockroot.root");
  const types = read("rootfstype");
  if (subvolume !== undefined) refuseOverlay(options, types);
  return {
    root: read("root"),
    ...(subvolume ?? place),
    /** Whether root is an overlay, not a subvolume. */
    isOverlay: subvolume === undefined,
    /** Where an overlay keeps what is written to it. */
    upper: read("dockroot.upper"),
    mountFlags,
    deviceTimeoutMs: (read("rootwait") ?? read("rootdelay")) * 1000,
    init: read("init"),
    generations: read("dockroot.generations"),
    fallback: read("dockroot.fallback"),
    helperTimeoutMs: read("dockroot.timeout") * 1000,
  };
}

/** Of a root that is a subvolume. @throws BootError INVALID_OPTION */
function refuseOverlay(
  options: Options,
  types: readonly string[] = ["btrfs"],
): void {
  for (const name of ["dockroot.root", "dockroot.upper"] as const) {
    if (!options.given.has(name)) continue;
    throw invalidOption(
      `${describeOptions(options, [name])} is for a root that is an overlay, and rootflags=subvol= names a subvolume`,
      `Leave ${name}= out where the store's layers are subvolumes of a btrfs, and subvol= elsewhere.`,
    );
  }
  if (!types.includes("btrfs")) {
    throw invalidOption(
      `rootfstype=${types.join()} cannot be used with rootflags=subvol=: subvolumes are of btrfs`,
      "Leave subvol= out of rootflags= where the image store is on another filesystem.",
    );
  }
}

/**
 * @returns also what looks wrong but need not stop a boot
 * @throws BootError INVALID_OPTION, INVALID_CONFIG or INVALID_REFERENCE
 */
export function readSystemOptions(options: Options) {
  if (options.configError !== undefined) throw options.configError;
  const read = valuesOf(options);
  const warnings = [...options.configWarnings];
  const device = read("toplayer");
  if (device === undefined && options.given.has("toplayer_path")) {
    warnings.push(
      `${describeOptions(options, ["toplayer_path"])}, without toplayer=: no top layer is copied`,
    );
  }
  return {
    deployment: read("dockroot.deployment"),
    storePath: readStorePath(options),
    storeKind: read("dockroot.store"),
    image: readImage(options, warnings),
    topLayer:
      device === undefined
        ? undefined
        : {
            device,
            fsType: read("toplayerfstype"),
            mountFlags: read("toplayerflags"),
            paths: read("toplayer_path"),
          },
    rwlayerMode: read("dockroot.rwlayer"),
    topLayerMode: read("dockroot.toplayer"),
    warnings,
  };
}

function inConfig({ configFile }: Options): string {
  return configFile === undefined
    ? `in a configuration: there is no ${CONFIG_FILES.join(" or ")}`
    : `in ${configFile}`;
}

/** `docker_path` and `store_path` mean the same. */
function readStorePath(options: Options): string {
  const names = (["docker_path", "store_path"] as const).filter((name) =>
    options.given.has(name),
  );
  const ofKernel = names.filter(
    (name) => options.given.get(name)?.source === KERNEL,
  );
  const [path, ...others] = (ofKernel.length > 0 ? ofKernel : names).map(
    valuesOf(options),
  );
  if (path === undefined) {
    throw invalidOption(
      `docker_path= is given neither on the kernel command line nor ${inConfig(options)}`,
      "Name the image store's directory, relative to the filesystem's top level: docker_path=docker (or store_path=, which means the same).",
    );
  }
  if (others.some((other) => other !== path)) {
    throw invalidOption(
      `docker_path= and store_path= mean the same, and are given different directories: ${describeOptions(options, names)}`,
      "Leave one of them out.",
    );
  }
  return path;
}

/**
 * Decides which image is meant.
 * @param warnings gets a line for a tag that has no effect
 * @throws BootError INVALID_OPTION, INVALID_REFERENCE
 */
export function readImage(
  options: Options,
  warnings: string[],
): ImageReference {
  try {
    return chooseImage(options, warnings);
  } catch (error) {
    throw addSources(error, options, ["docker_image", "docker_tag"]);
  }
}

/** A tag that stands in `docker_image` itself wins over a `docker_tag` of lesser rank. */
function chooseImage(options: Options, warnings: string[]): ImageReference {
  const { value: image, source } = readOption(options, "docker_image");
  const tag = readOption(options, "docker_tag");
  const own = splitReference(image);
  const isExact =
    own.digest !== undefined ||
    parseImageId(image) !== undefined ||
    /^sha256:[0-9a-f]+$/.test(image);
  if (isExact) {
    if (tag.source === KERNEL) {
      warnings.push(
        `docker_tag=${tag.value} has no effect: ${describeOptions(options, ["docker_image"])} says exactly which image`,
      );
    }
    return parseImageReference(image);
  }
  if (own.tag === undefined) return parseImageReference(image, tag.value);
  if (tag.source === KERNEL && source !== KERNEL) {
    return parseImageReference(own.name, tag.value);
  }
  if (tag.source === source && tag.value !== own.tag) {
    throw invalidOption(
      `two tags are given: ${describeOptions(options, ["docker_image", "docker_tag"])}`,
      "Leave one of them out.",
    );
  }
  return parseImageReference(image);
}

/** The kernel options that name an image whatever the configuration has. */
export function nameImage(reference: ImageReference): {
  docker_image: string;
  docker_tag?: string;
} {
  const whole = formatImageReference(reference);
  if (reference.kind === "id") return { docker_image: whole };
  const { repository, isQualified, tag } = reference;
  // A name like the beginning of an ID, and without a tag, would take the configuration's.
  if (whole === repository) return { docker_image: whole, docker_tag: tag };
  // For Podman a name without its registry may be another one's, too.
  return {
    docker_image: isQualified
      ? whole.replace(repository, fullRepository(repository))
      : whole,
  };
}

function valuesOf(options: Options) {
  return <K extends OptionName>(name: K): OptionValue<K> =>
    readOption(options, name).value;
}

/** @throws BootError INVALID_OPTION, with where the value comes from */
function readOption<K extends OptionName>(
  options: Options,
  name: K,
): Sourced<OptionValue<K>> {
  const option: KernelOption = OPTIONS[name];
  const { value = option.default, source = DEFAULT } =
    options.given.get(name) ?? {};
  if (value === undefined) {
    if (option.missing !== undefined) {
      const [message, hint] = option.missing;
      throw invalidOption(
        option.kernelOnly === undefined
          ? `${message} ${inConfig(options)}`
          : message,
        hint,
      );
    }
    return { value: undefined as OptionValue<K>, source };
  }
  try {
    return { value: option.parse(name, value) as OptionValue<K>, source };
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    const { code, message, hint } = error;
    throw new BootError(code, `${source}: ${message}`, { hint });
  }
}
