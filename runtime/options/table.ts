import { DEFAULT_TAG } from "../images/image-ref.ts";
import {
  parseDeviceSpec,
  parseInit,
  parseLayerFlags,
  parseLayerPaths,
  parseNumber,
  parseOneOf,
  parseOverlayRoot,
  parseRoot,
  parseRootFlags,
  parseRootFsType,
  parseStorePath,
  parseText,
  type OptionParser,
} from "./parsers.ts";

/** Who wrote a store, as `dockroot.store=` names it. */
export const STORE_KINDS = ["graphdriver", "containerd", "podman"] as const;

export type StoreKind = (typeof STORE_KINDS)[number];

/** Where `dockroot upgrade` takes a deployment's initramfs from. */
export const INITRAMFS_KINDS = ["image", "machine"] as const;

export type InitramfsKind = (typeof INITRAMFS_KINDS)[number];

/** As many as `dockroot.generations=` may ask for. */
export const MAX_GENERATIONS = 1000;

const MAX_DEPLOYMENT = 999_999_999;

const MAX_SECONDS = 999_999;

/** A kernel option. Its name is also its key in the configuration. */
export interface KernelOption {
  /** What its value looks like, for the documentation. */
  readonly syntax: string;
  /** What it means, in Markdown; `""` where it is another name of the option before it. */
  readonly help: string;
  readonly parse: OptionParser<unknown>;
  /** The value where none is given, as it would be written. */
  readonly default?: string;
  /** What holds where none is given and there is no default value, in Markdown. */
  readonly unset?: string;
  /** It must be given: what is said where it is not; the configuration's place follows, where it may be there. */
  readonly missing?: readonly [message: string, hint: string];
  /**
   * Where the configuration cannot set it: the initramfs mounts root by it, and the configuration
   * is refused; or the kernel alone knows it, and the key has no effect.
   */
  readonly kernelOnly?: "refused" | "ignored";
  /** Whether only the configuration sets it: on the kernel command line it is none of ours. */
  readonly configOnly?: true;
  /** Whether it means something without a value. */
  readonly isFlag?: true;
  /** Whether an empty value leaves what the configuration says, instead of switching that off. */
  readonly emptyIsUnset?: true;
  /** Whether the configuration may have it without quotes. */
  readonly isNumber?: true;
}

/**
 * Each kernel option that dockroot reads, in the order of docs/kernel-options.md (`make option-table`
 * writes the table there).
 */
export const OPTIONS = {
  root: {
    syntax: "DEVICE",
    help: "the filesystem with the image store: `LABEL=`, `UUID=`, `PARTLABEL=`, `PARTUUID=` or a path below `/dev`",
    parse: parseRoot,
    missing: [
      "the kernel option root= is missing",
      "Name the filesystem with the image store, for example root=LABEL=linux.",
    ],
    kernelOnly: "refused",
  },
  rootflags: {
    syntax: "FLAGS",
    help: "`subvol=NAME`: the subvolume that the new root (the rwlayer) is made as and mounted from, where the store's layers are subvolumes of a btrfs; its other flags (`compress=zstd:1`, `degraded`, ...) also serve dockroot's own mount",
    parse: parseRootFlags,
    default: "",
    kernelOnly: "refused",
  },
  rootfstype: {
    syntax: "TYPES",
    help: "must have the filesystem's type where given: `btrfs`, `ext4` or `xfs`",
    parse: parseRootFsType,
    unset: "detected",
    kernelOnly: "refused",
  },
  "dockroot.root": {
    syntax: "NAME",
    help: "without `subvol=`: the directory that the new root is made in, where the store's layers are overlays",
    parse: parseOverlayRoot,
    default: "docker_rwlayer",
    kernelOnly: "ignored",
  },
  "dockroot.upper": {
    syntax: "disk|tmpfs",
    help: "where an overlay keeps what is written to it; `tmpfs`: in memory, for one boot: it is no earlier root later",
    parse: parseOneOf("disk", "tmpfs"),
    default: "disk",
  },
  docker_path: {
    syntax: "DIR",
    help: "the image store's directory, seen from the filesystem's top level ([below](#which-image-store))",
    parse: parseStorePath,
    unset: "required",
    emptyIsUnset: true,
  },
  store_path: {
    syntax: "DIR",
    help: "",
    parse: parseStorePath,
    unset: "required",
    emptyIsUnset: true,
  },
  "dockroot.store": {
    syntax: STORE_KINDS.join("|"),
    help: "which store counts where several are in that directory",
    parse: parseOneOf(...STORE_KINDS),
    unset: "the one that has the image",
  },
  docker_image: {
    syntax: "IMAGE",
    help: "the image: `name`, `name:tag`, `name@sha256:...`, an image ID or the beginning of one",
    parse: parseText,
    missing: [
      "no image is named: docker_image= is given neither on the kernel command line nor",
      `Write docker_image=NAME[:TAG] there, or { "docker_image": "NAME" } in /etc/dockroot.json.`,
    ],
    emptyIsUnset: true,
  },
  docker_tag: {
    syntax: "TAG",
    help: "its tag, where `docker_image` has none",
    parse: parseText,
    default: DEFAULT_TAG,
    emptyIsUnset: true,
  },
  toplayer: {
    syntax: "DEVICE",
    help: "the device with this machine's own files; as `root=`",
    parse: parseDeviceSpec,
    unset: "none: nothing is copied",
  },
  toplayerfstype: {
    syntax: "TYPE",
    help: "its filesystem",
    parse: parseText,
    unset: "detected",
  },
  toplayerflags: {
    syntax: "FLAGS",
    help: "how to mount it; it is always read-only",
    parse: parseLayerFlags,
    default: "",
  },
  toplayer_path: {
    syntax: "DIR[:DIR...]",
    help: "the directory on that device; several with colons between them (`common:laptop`), each laid over the one before",
    parse: parseLayerPaths,
    default: "/",
  },
  "dockroot.deployment": {
    syntax: "N",
    help: "the deployment that this entry boots, as `dockroot upgrade` writes it: the image comes from those that dockroot keeps, not from the engine's store",
    parse: parseNumber(1, MAX_DEPLOYMENT),
    unset: "none: the image comes from the engine's store",
    kernelOnly: "ignored",
  },
  "dockroot.confirm": {
    syntax: "auto|login|manual",
    help: "`auto`: `dockroot-confirm.service` confirms a new deployment; `login`: not before a person has logged in; `manual`: nobody but `dockroot confirm` does",
    parse: parseOneOf("auto", "login", "manual"),
    default: "auto",
    kernelOnly: "ignored",
  },
  "dockroot.generations": {
    syntax: "N",
    help: `how many earlier roots that were used are kept, and as many newer ones that were not, 0 to ${String(MAX_GENERATIONS)}`,
    parse: parseNumber(0, MAX_GENERATIONS),
    default: "1",
    isNumber: true,
  },
  "dockroot.fallback": {
    syntax: "last|none",
    help: "`last`: where no new root can be made, the one that is there boots, with a warning; `none`: the boot stops with a shell, also where the initramfs mounts another root than the one that was made",
    parse: parseOneOf("last", "none"),
    default: "last",
  },
  "dockroot.rwlayer": {
    syntax: "fresh|keep",
    help: "`fresh`: a new root at every boot; `keep`: the same one while the image and the top layer are the same",
    parse: parseOneOf("fresh", "keep"),
    default: "fresh",
  },
  "dockroot.toplayer": {
    syntax: "once|always",
    help: "with `dockroot.rwlayer=keep`, a top layer that has changed: `once`: it is not copied, and a warning says so; `always`: it is copied",
    parse: parseOneOf("once", "always"),
    default: "once",
  },
  "dockroot.timeout": {
    syntax: "SECONDS",
    help: "how long one helper program (`mount`, `cp`, `btrfs`, ...) may run",
    parse: parseNumber(1, MAX_SECONDS),
    default: "300",
    isNumber: true,
  },
  initramfs: {
    syntax: INITRAMFS_KINDS.join("|"),
    help: "the initramfs of a deployment that `dockroot upgrade` makes: `image`: the one in the image; `machine`: the image's generator makes it on this machine, with the drivers of this machine",
    parse: parseOneOf(...INITRAMFS_KINDS),
    default: "image",
    configOnly: true,
  },
  init: {
    syntax: "FILE",
    help: "the init that must exist in the image",
    parse: parseInit,
    unset: "`/sbin/init`, `/etc/init` or `/bin/init`",
    kernelOnly: "ignored",
  },
  rootdelay: {
    syntax: "SECONDS",
    help: "how long to wait for a device that is not there yet",
    parse: parseNumber(0, MAX_SECONDS),
    default: "10",
    kernelOnly: "ignored",
  },
  rootwait: {
    syntax: "[=SECONDS]",
    help: "wait for it without end, or for so long",
    parse: (option: string, value: string) =>
      value === "" ? Infinity : parseNumber(0, MAX_SECONDS)(option, value),
    unset: "",
    kernelOnly: "ignored",
    isFlag: true,
  },
} as const satisfies Readonly<Record<string, KernelOption>>;

export type OptionName = keyof typeof OPTIONS;

/** The typed value of an option; `undefined` where it may be absent and has no default. */
export type OptionValue<K extends OptionName> =
  | ReturnType<(typeof OPTIONS)[K]["parse"]>
  | ((typeof OPTIONS)[K] extends { unset: string } ? undefined : never);

export function isOptionName(name: string): name is OptionName {
  return Object.hasOwn(OPTIONS, name);
}

/** Whether it is an option of the kernel command line. */
export function isKernelOption(name: string): name is OptionName {
  const option = findOption(name);
  return option !== undefined && option.configOnly !== true;
}

export function findOption(name: string): KernelOption | undefined {
  return isOptionName(name) ? OPTIONS[name] : undefined;
}

/** Whether dockroot alone reads a kernel option, and the kernel and the initramfs do not. */
export function isOwnOption(name: string): boolean {
  const option = findOption(name);
  return (
    name.startsWith("dockroot.") ||
    (option !== undefined &&
      option.kernelOnly === undefined &&
      option.configOnly !== true)
  );
}
