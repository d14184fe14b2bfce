import { BootError } from "../../../runtime/base/errors.ts";
import type { Host } from "../../../runtime/host/host.ts";
import { readKernelVersion } from "../../system/kernels.ts";
import { readAsset } from "../../system/read-asset.ts";
import { NotRunError } from "../../system/tree-host.ts";
import { hasFile } from "../../system/has-file.ts";
import { readStatements } from "./shell-tokens.ts";
import { valueOf, type Word } from "./shell-word.ts";

const DIRECTORY = "/etc/mkinitcpio.d";
const SUFFIX = ".preset";
const TIMEOUT_MS = 30_000;
const MAX_BYTES = 1024 * 1024;

/** One image that a preset makes, see mkinitcpio(8), "ABOUT PRESETS". */
interface PresetImage {
  /** A kernel's version, or the path of one. */
  readonly kernel: string;
  /** The configuration that is used in place of /etc/mkinitcpio.conf and its drop-ins. */
  readonly configuration: string | undefined;
  /** The initramfs, the unified kernel image, or both. */
  readonly files: readonly string[];
  /** Hooks of the configuration that are left out. */
  readonly skippedHooks: readonly string[];
}

interface Preset {
  readonly name: string;
  readonly images: readonly PresetImage[];
}

/**
 * The presets that `mkinitcpio -P` builds, in its order.
 * @throws HelperError where bash cannot read one, NotRunError where it would have to
 */
export async function readPresets(host: Host): Promise<Preset[]> {
  const presets: Preset[] = [];
  const script = readAsset("mkinitcpio/print-preset");
  for (const file of host.files.namesIn(host.path(DIRECTORY))) {
    if (!file.endsWith(SUFFIX) || file.startsWith(".")) continue;
    presets.push({
      name: file.slice(0, -SUFFIX.length),
      images: parseImages(
        await readValues(host, script, `${DIRECTORY}/${file}`),
      ),
    });
  }
  return presets;
}

async function readValues(
  host: Host,
  script: string,
  file: string,
): Promise<string[]> {
  try {
    const { stdout } = await host.run(["bash", "-c", script, "bash", file], {
      timeoutMs: TIMEOUT_MS,
    });
    return stdout.toString("utf8").split("\0").slice(0, -1);
  } catch (error) {
    if (!(error instanceof NotRunError)) throw error;
    const values = readPlainPreset(host.readText(file, MAX_BYTES) ?? "");
    if (values === undefined) throw error;
    return values;
  }
}

/** @param values for each image kernel, configuration, initramfs, UKI, and its options with their number before */
function parseImages(values: readonly string[]): PresetImage[] {
  const images: PresetImage[] = [];
  for (let rest = values; rest.length > 0;) {
    const [kver = "", config = "", image = "", uki = "", count] = rest;
    const options = rest.slice(5, 5 + Number(count));
    rest = rest.slice(5 + options.length);
    // Without one of these mkinitcpio makes no image of it.
    if (kver === "" || (image === "" && uki === "")) continue;
    const configuration = optionOf(options, "-c", "--config") ?? config;
    images.push({
      kernel: optionOf(options, "-k", "--kernel") ?? kver,
      configuration: configuration === "" ? undefined : configuration,
      files: [
        optionOf(options, "-g", "--generate") ?? image,
        optionOf(options, "-U", "--uki") ?? uki,
      ].filter((file) => file !== ""),
      skippedHooks: optionOf(options, "-S", "--skiphooks")?.split(",") ?? [],
    });
  }
  return images;
}

/** The options of a preset come after what it says in variables, and the last one counts. */
function optionOf(
  options: readonly string[],
  short: string,
  long: string,
): string | undefined {
  let value: string | undefined;
  for (const [index, option] of options.entries()) {
    if (option === short || option === long) value = options[index + 1];
    if (option.startsWith(`${long}=`)) value = option.slice(long.length + 1);
  }
  return value;
}

/** As mkinitcpio finds it, by its own functions. */
const PRINT_KERNEL_VERSION = `. /usr/lib/initcpio/functions && kver "$1"`;

/**
 * The version of a preset's kernel.
 * @throws BootError KERNEL_MISSING
 */
export async function readPresetVersion(
  host: Host,
  preset: string,
  kernel: string,
): Promise<string> {
  if (!kernel.startsWith("/")) return kernel;
  const version = hasFile(host, kernel) && (await readVersionOf(host, kernel));
  if (version) return version;
  throw new BootError(
    "KERNEL_MISSING",
    `cannot tell the version of ${kernel}, the kernel of mkinitcpio's preset ${preset}`,
    {
      hint: `Install that kernel (and mount /boot if it is a separate filesystem), or remove ${DIRECTORY}/${preset}${SUFFIX} if it is a leftover.`,
    },
  );
}

async function readVersionOf(host: Host, kernel: string): Promise<string> {
  try {
    const { exitCode, stdout } = await host.run(
      ["bash", "-c", PRINT_KERNEL_VERSION, "bash", kernel],
      { okExitCodes: [0, 1], timeoutMs: TIMEOUT_MS },
    );
    return exitCode === 0 ? stdout.toString("utf8").trim() : "";
  } catch (error) {
    if (!(error instanceof NotRunError)) throw error;
    const version = readKernelVersion(host, host.path(kernel), []);
    if (version === undefined) throw error;
    return version;
  }
}

type Variables = ReadonlyMap<string, readonly string[] | string>;

/**
 * What bash would print of a preset, see assets/mkinitcpio/print-preset, without running it.
 * @returns `undefined` where it does more than set variables to plain texts
 */
export function readPlainPreset(text: string): string[] | undefined {
  const variables = readVariables(text);
  return (
    variables &&
    listOf(variables, "PRESETS").flatMap((name) => {
      const first = (key: string) => listOf(variables, key)[0] ?? "";
      const own = (key: string) =>
        first(`${name}_${key}`) || first(`ALL_${key}`);
      const uki = variables.has(`${name}_uki`) ? "uki" : "efi_image";
      const options = variables.get(`${name}_options`) ?? "";
      const words =
        typeof options === "string"
          ? (options.split("\n")[0] ?? "").split(/[ \t]+/).filter(Boolean)
          : options;
      return [
        own("kver"),
        own("config"),
        first(`${name}_image`),
        first(`${name}_${uki}`),
        String(words.length),
        ...words,
      ];
    })
  );
}

function readVariables(text: string): Variables | undefined {
  const variables = new Map<string, readonly string[] | string>();
  for (const { parts, isConditional } of readStatements(text)) {
    for (const part of parts) {
      if (isConditional || part.kind !== "assignment") return undefined;
      const { name, list, text: value, isElement, isAppending } = part;
      const words = list ?? [value];
      if (isElement || isAppending || !words.every(isPlain)) return undefined;
      const values = words.map(({ characters }) => valueOf(characters));
      variables.set(name, list === undefined ? (values[0] ?? "") : values);
    }
  }
  return variables;
}

function isPlain({ isExpanded, isPattern }: Word): boolean {
  return !isExpanded && !isPattern;
}

function listOf(variables: Variables, name: string): readonly string[] {
  const value = variables.get(name) ?? [];
  return typeof value === "string" ? [value] : value;
}
