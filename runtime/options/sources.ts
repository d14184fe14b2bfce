import { BootError } from "../base/errors.ts";
import {
  formatImageReference,
  type ImageReference,
} from "../images/image-ref.ts";
import type { Options } from "./options.ts";
import { OPTIONS, type KernelOption, type OptionName } from "./table.ts";

/** Where a value is from that no configuration file sets. */
export const KERNEL = "the kernel command line";
export const DEFAULT = "the built-in default";
/** The option of commands that names an image in place of the kernel command line's. */
export const IMAGE_FLAG = "--image";

/** Options with their values, and where each is set: those that have a value. */
export function describeOptions(
  { given }: Pick<Options, "given">,
  names: readonly OptionName[],
): string {
  return names
    .flatMap((name) => {
      const option: KernelOption = OPTIONS[name];
      const { value = option.default, source = DEFAULT } =
        given.get(name) ?? {};
      return value ? [`${name}=${value} ${where(source)}`] : [];
    })
    .join(", ");
}

function where(source: string): string {
  if (source === KERNEL) return `on ${source}`;
  if (source === IMAGE_FLAG) return `by ${source}`;
  return source === DEFAULT ? `as ${source}` : `in ${source}`;
}

/** The options that name an image: a tag may be in `docker_image` itself. */
export function imageOptions(
  { given }: Pick<Options, "given">,
  image: ImageReference,
): OptionName[] {
  const tag = given.get("docker_tag")?.value ?? OPTIONS.docker_tag.default;
  const isTagged = formatImageReference(image).endsWith(`:${tag}`);
  return isTagged ? ["docker_image", "docker_tag"] : ["docker_image"];
}

/**
 * Does work that depends on options. What it throws for their values says where these are set.
 * @throws what the work throws
 */
export async function withSources<T>(
  options: Pick<Options, "given">,
  names: readonly OptionName[],
  work: () => Promise<T> | T,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw addSources(error, options, names);
  }
}

/** @returns an error about an option's value with where that is set; others as they are */
export function addSources(
  error: unknown,
  options: Pick<Options, "given">,
  names: readonly OptionName[],
): unknown {
  if (!(error instanceof BootError) || !OF_OPTIONS.test(error.code)) {
    return error;
  }
  const { code, message, cause, hint = "", hasPrivateCauses } = error;
  const named = code.startsWith("STORE_")
    ? names.filter((name) => !OF_IMAGE.has(name))
    : names;
  const isInFile = named.some((name) => {
    const { source = KERNEL } = options.given.get(name) ?? {};
    return source !== KERNEL && source !== IMAGE_FLAG;
  });
  return new BootError(code, message, {
    cause: new Error(describeOptions(options, named), { cause }),
    hint: isInFile ? `${hint} ${REBUILD}` : hint,
    hasPrivateCauses,
  });
}

/** Codes of errors that another value of an option would not have. */
const OF_OPTIONS =
  /^(?:INVALID_REFERENCE|DEVICE_|IMAGE_|SOURCE_MISSING|STORE_(?!DAMAGED|UNSUPPORTED)|TOPLAYER_|RWLAYER_UNSUITABLE|MOUNT_FAILED)/;

/** They do not say where the store is. */
const OF_IMAGE: ReadonlySet<OptionName> = new Set([
  "docker_image",
  "docker_tag",
]);

const REBUILD =
  "The initramfs has a copy of that file: dockroot install makes it anew.";
