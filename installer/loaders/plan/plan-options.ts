import {
  lastValues,
  type CmdlineOption,
} from "../../../runtime/options/cmdline.ts";
import { nameImage } from "../../../runtime/options/options.ts";
import {
  isOwnOption,
  type OptionName,
  type StoreKind,
} from "../../../runtime/options/table.ts";
import { splitFlags } from "../../../runtime/options/parsers.ts";
import { BootError } from "../../../runtime/base/errors.ts";
import { parseImageReference } from "../../../runtime/images/image-ref.ts";
import {
  USUAL_RWLAYER,
  canBeOption,
  formatOption,
} from "../formats/boot-loader.ts";
import type { Filesystem } from "../../system/filesystem.ts";
import { kindOfOption } from "./option-kinds.ts";
import type { NewEntryFacts } from "./plan-entry.ts";

/** The kernel options of an entry, and what is to be told of them. */
interface PlannedOptions {
  readonly options: readonly CmdlineOption[];
  readonly notes: readonly string[];
  /** What the entry itself is to say, for whoever completes it. */
  readonly comments: readonly string[];
}

/** What the options are made of. */
export type OptionFacts = Pick<
  NewEntryFacts,
  | "bootedRwlayer"
  | "cmdline"
  | "image"
  | "isOverlay"
  | "store"
  | "storeHome"
  | "storeKind"
  | "storePath"
  | "topLayerDirectory"
> & {
  /** What names the top layer, where one was asked for. */
  readonly topLayer?: readonly CmdlineOption[] | undefined;
  /** The number of the deployment that the entry is for. */
  readonly deployment?: number;
};

/**
 * As the tutorial writes them, and what this machine was started with besides: its console, its
 * encrypted disk.
 * @throws BootError ENTRY_UNSUITABLE
 */
export function planOptions(facts: OptionFacts): PlannedOptions {
  return facts.bootedRwlayer === undefined
    ? planAnew(facts)
    : keepOptions(facts, facts.bootedRwlayer);
}

/** dockroot made this boot's root: what it was told is right. */
function keepOptions(facts: OptionFacts, rwlayer: string): PlannedOptions {
  const { cmdline, image, storeKind, topLayer = [], deployment } = facts;
  const { isOverlay } = facts;
  const added = [
    ...kindOption(storeKind),
    ...topLayer,
    ...imageOption(image),
    ...deploymentOption(deployment),
  ];
  const replaced = new Set([
    ...added.map(({ key }) => key),
    "dockroot.deployment",
  ]);
  if (image !== undefined) replaced.add("docker_tag");
  if (replaced.has("toplayer")) {
    // They are of the former one's filesystem.
    replaced.add("toplayerfstype").add("toplayerflags");
  }
  const last = lastValues(cmdline);
  const isLast = (option: CmdlineOption) =>
    cmdline.findLast(({ key }) => key === option.key) === option;
  const kept = cmdline.filter((option) => {
    const kind = kindOfOption(option);
    if (kind === "one boot" || replaced.has(option.key)) return false;
    if (kind === "machine" && !isOwnOption(option.key)) return true;
    return !["ro", "rw"].includes(option.key) && isLast(option);
  });
  const flags = splitFlags(last.get("rootflags") ?? "").filter(
    (flag) => !flag.startsWith("subvol="),
  );
  const named = nameRwlayer(isOverlay, rwlayer, flags);
  const options = kept.flatMap((option) => {
    if (option.key === (isOverlay ? "root" : "rootflags")) {
      return isOverlay ? [option, ...named] : named;
    }
    return ["rootflags", "dockroot.root"].includes(option.key) ? [] : [option];
  });
  return {
    options: [...options, ...added],
    notes: ["the kernel options are this boot's"],
    comments: [],
  };
}

/**
 * What names the root that a boot makes: this one may be of an earlier root.
 * @param flags that the filesystem is mounted with
 */
function nameRwlayer(
  isOverlay: boolean,
  rwlayer: string,
  flags: readonly string[],
): CmdlineOption[] {
  if (!isOverlay) {
    return [option("rootflags", [...flags, `subvol=${rwlayer}`].join()), RW];
  }
  return [
    ...(flags.length === 0 ? [] : [option("rootflags", flags.join())]),
    ...(rwlayer === USUAL_RWLAYER ? [] : [option("dockroot.root", rwlayer)]),
    RW,
  ];
}

function planAnew({
  isOverlay,
  store,
  storePath,
  storeHome,
  storeKind,
  cmdline,
  image,
  topLayer: given,
  topLayerDirectory,
  deployment,
}: OptionFacts): PlannedOptions {
  const root = nameFilesystem(store);
  if (!canBeOption(storePath)) {
    throw new BootError(
      "ENTRY_UNSUITABLE",
      `no kernel option can name the image store ${storePath}`,
      { hint: "Rename its directory, to a name without quotes." },
    );
  }
  const kept = cmdline.filter(
    (option) =>
      kindOfOption(option) === "machine" &&
      !isOwnOption(option.key) &&
      canBeOption(formatOption(option)),
  );
  const found =
    given === undefined && topLayerDirectory !== undefined
      ? topLayerOptions(root, topLayerDirectory)
      : [];
  const topLayer = given ?? found;
  return {
    options: [
      option("root", root),
      ...nameRwlayer(isOverlay, USUAL_RWLAYER, []),
      option(storeHome === "docker" ? "docker_path" : "store_path", storePath),
      ...kindOption(storeKind),
      ...topLayer,
      ...imageOption(image),
      ...deploymentOption(deployment),
      ...kept,
    ],
    notes: [
      ...(found.length > 0
        ? [
            `using ${topLayerDirectory ?? ""} as the top layer (found on the disk; boot-entry --toplayer DIR names another)`,
          ]
        : []),
      ...(kept.length > 0
        ? [
            `kept from this boot's kernel options: ${kept.map(formatOption).join(" ")}`,
          ]
        : []),
    ],
    comments:
      topLayer.length > 0
        ? []
        : [
            "There is no top layer. To lay one over the image, add to the kernel options:",
            `toplayer=${root} toplayer_path=DIRECTORY`,
          ],
  };
}

/**
 * By its label, as the tutorial does, where that is unique and a word that every initramfs takes;
 * else by its UUID.
 * @throws BootError ENTRY_UNSUITABLE
 */
export function nameFilesystem({
  device,
  label,
  uuid,
  isLabelUnique,
}: Filesystem): string {
  if (label !== undefined && isLabelUnique && /^[\w.:@+-]+$/.test(label)) {
    return `LABEL=${label}`;
  }
  if (uuid !== undefined) return `UUID=${uuid}`;
  throw new BootError(
    "ENTRY_UNSUITABLE",
    `blkid finds neither a label nor a UUID on ${device}`,
    { hint: `See what blkid -p ${device} says.` },
  );
}

/**
 * @param directory from the filesystem's top level
 * @throws BootError TOPLAYER_UNSUITABLE
 */
export function topLayerOptions(
  filesystem: string,
  directory: string,
): CmdlineOption[] {
  if (directory.includes(":") || !canBeOption(directory)) {
    throw new BootError(
      "TOPLAYER_UNSUITABLE",
      `no kernel option can name the top layer ${directory}`,
      {
        hint: "Rename it: a colon separates layers, and a quote ends a value.",
      },
    );
  }
  return [option("toplayer", filesystem), option("toplayer_path", directory)];
}

function kindOption(kind: StoreKind | undefined): CmdlineOption[] {
  return kind === undefined ? [] : [option("dockroot.store", kind)];
}

function imageOption(image: string | undefined): CmdlineOption[] {
  if (image === undefined) return [];
  const options = nameImage(parseImageReference(image));
  return Object.entries(options).map(([key, value]) => ({ key, value }));
}

function deploymentOption(n: number | undefined): CmdlineOption[] {
  return n === undefined ? [] : [option("dockroot.deployment", String(n))];
}

const RW: CmdlineOption = { key: "rw", value: undefined };

function option(key: OptionName, value: string): CmdlineOption {
  return { key, value };
}
