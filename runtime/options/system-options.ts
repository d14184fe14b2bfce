import { parseDeviceSpec, type DeviceSpec } from "./device-spec.ts";
import {
  DEFAULT_TAG,
  parseImageId,
  parseImageReference,
  splitReference,
  type ImageReference,
} from "../images/image-ref.ts";
import {
  invalidOption,
  nonEmpty,
  readChoice,
  refuseOddPath,
  splitFlags,
  splitPath,
  type OptionReader,
} from "./option-values.ts";
import { STORE_KINDS, type StoreKind } from "./store-kinds.ts";

export interface TopLayerOptions {
  readonly device: DeviceSpec;
  readonly fsType: string | undefined;
  /** Mount flags as given, `ro` and `rw` left out: the mount is always read-only. */
  readonly mountFlags: readonly string[];
  /** In the order in which they are laid over; relative to the device's filesystem, `""` is all of it. */
  readonly paths: readonly string[];
}

/** Two names of the same: the second is for stores of other engines. */
const STORE_OPTIONS = ["docker_path", "store_path"] as const;

/** Which system is to be root. Paths are relative to the top level. */
export interface SystemOptions {
  readonly storePath: string;
  /** Which of the stores that are there counts; `undefined` where that shows by itself. */
  readonly storeKind: StoreKind | undefined;
  readonly image: ImageReference;
  readonly topLayer: TopLayerOptions | undefined;
  /** Whether every start makes a new rwlayer, or the same one serves while the image is the same. */
  readonly rwlayerMode: "fresh" | "keep";
  /** Whether a rwlayer that is kept gets a top layer that has changed. */
  readonly topLayerMode: "once" | "always";
}

/**
 * @param kernel the kernel's options
 * @param config the configuration's
 * @param option finds both
 * @param warnings gets a line for what looks wrong but need not stop a boot
 * @throws BootError INVALID_OPTION, INVALID_REFERENCE
 */
export function readSystemOptions(
  kernel: ReadonlyMap<string, string | undefined>,
  config: ReadonlyMap<string, string>,
  option: OptionReader,
  warnings: string[],
): SystemOptions {
  const topLayer = readTopLayer(option);
  if (topLayer === undefined && option("toplayer_path") !== undefined) {
    warnings.push(
      "toplayer_path= is given without toplayer=: no top layer is copied",
    );
  }
  return {
    ...readStore(kernel, config, option),
    image: chooseImage(
      {
        image: nonEmpty(kernel.get("docker_image")),
        tag: nonEmpty(kernel.get("docker_tag")),
      },
      { image: config.get("docker_image"), tag: config.get("docker_tag") },
      warnings,
    ),
    topLayer,
    rwlayerMode: readChoice("dockroot.rwlayer", option("dockroot.rwlayer"), [
      "fresh",
      "keep",
    ]),
    topLayerMode: readChoice("dockroot.toplayer", option("dockroot.toplayer"), [
      "once",
      "always",
    ]),
  };
}

function readStore(
  kernel: ReadonlyMap<string, string | undefined>,
  config: ReadonlyMap<string, string>,
  option: OptionReader,
): Pick<SystemOptions, "storePath" | "storeKind"> {
  return {
    storePath:
      readStorePath((name) => nonEmpty(kernel.get(name))) ??
      readStorePath((name) => config.get(name)) ??
      refuseNoStore(),
    storeKind: readStoreKind(option("dockroot.store")),
  };
}

function readStoreKind(value: string | undefined): StoreKind | undefined {
  const kind = STORE_KINDS.find((word) => word === value);
  if (kind !== undefined || value === undefined) return kind;
  throw invalidOption(
    `dockroot.store=${value} is no kind of image store`,
    `Write ${STORE_KINDS.map((word) => `dockroot.store=${word}`).join(" or ")}, or leave it out where only one is there.`,
  );
}

/** @param option of one place: the command line, or the configuration */
function readStorePath(option: OptionReader): string | undefined {
  const [given, ...others] = STORE_OPTIONS.flatMap((name) => {
    const value = option(name);
    return value === undefined ? [] : [{ name, path: readPath(name, value) }];
  });
  const other = others.find(({ path }) => path !== given?.path);
  if (other === undefined) return given?.path;
  throw invalidOption(
    "docker_path= and store_path= mean the same, and are given different directories",
    "Leave one of them out.",
  );
}

function refuseNoStore(): never {
  throw invalidOption(
    "docker_path= is given neither on the kernel command line nor in the configuration",
    "Name the image store's directory, relative to the filesystem's top level: docker_path=docker (or store_path=, which means the same).",
  );
}

function readPath(name: string, value: string): string {
  const parts = splitPath(value);
  refuseOddPath(`${name}=`, value, parts);
  if (parts.length === 0) {
    throw invalidOption(
      `${name}=${value} is the filesystem's top level itself`,
      `The image store must be in a directory or subvolume of its own, beside the rwlayer: ${name}=docker.`,
    );
  }
  return parts.join("/");
}

function readTopLayer(option: OptionReader): TopLayerOptions | undefined {
  const device = option("toplayer");
  if (device === undefined) return undefined;
  return {
    device: parseDeviceSpec("toplayer", device),
    fsType: option("toplayerfstype"),
    mountFlags: splitFlags(option("toplayerflags") ?? "").filter(
      (flag) => flag !== "ro" && flag !== "rw",
    ),
    paths: readTopLayerPaths(option("toplayer_path") ?? "/"),
  };
}

function readTopLayerPaths(value: string): string[] {
  return value.split(":").map((path) => {
    if (path === "") {
      throw invalidOption(
        `toplayer_path=${value} has a colon with no directory before or after it`,
        "Several top layers are written with a colon between them, the first one first: toplayer_path=common:laptop.",
      );
    }
    const parts = splitPath(path);
    refuseOddPath("toplayer_path=", path, parts);
    return parts.join("/");
  });
}

/** `docker_image` and `docker_tag` as one place gives them. */
export interface ImageOption {
  readonly image: string | undefined;
  readonly tag: string | undefined;
}

/**
 * Decides which image is meant. Each of the kernel's two options wins over the configuration's; a
 * tag that stands in `docker_image` itself wins over a `docker_tag` of lesser rank.
 * @param warnings gets a line for a tag that has no effect
 * @throws BootError INVALID_OPTION, INVALID_REFERENCE
 */
export function chooseImage(
  kernel: ImageOption,
  config: ImageOption,
  warnings: string[],
): ImageReference {
  const image = kernel.image ?? config.image;
  if (image === undefined) {
    throw invalidOption(
      "no image is named: docker_image is neither on the kernel command line nor in the configuration",
      `Write docker_image=NAME[:TAG] there, or { "docker_image": "NAME" } in /etc/dockroot.json.`,
    );
  }
  const { name, tag, digest } = splitReference(image);
  if (digest !== undefined || parseImageId(image) !== undefined) {
    if (kernel.tag !== undefined) {
      warnings.push(
        `docker_tag=${kernel.tag} has no effect: docker_image=${image} says exactly which image`,
      );
    }
    return parseImageReference(image);
  }
  if (tag === undefined) {
    return parseImageReference(image, kernel.tag ?? config.tag ?? DEFAULT_TAG);
  }
  if (kernel.tag !== undefined && kernel.image === undefined) {
    return parseImageReference(name, kernel.tag);
  }
  const tagBeside = kernel.image === undefined ? config.tag : kernel.tag;
  if (tagBeside !== undefined && tagBeside !== tag) {
    throw invalidOption(
      `two tags are given: docker_image=${image} and docker_tag=${tagBeside}`,
      "Leave one of them out.",
    );
  }
  return parseImageReference(image);
}
