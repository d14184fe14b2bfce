import { formatCmdline, type LoaderName } from "../formats/boot-loader.ts";
import { BOOT_LOADERS, CHOICES } from "../formats/boot-loaders.ts";
import { parseCmdline } from "../../../runtime/options/cmdline.ts";
import { BootError } from "../../../runtime/base/errors.ts";
import type { Filesystem } from "../../system/filesystem.ts";

/** A filesystem that boot loaders may read. */
export interface Volume {
  readonly filesystem: Filesystem;
  /** Where the system has all of it mounted, if it has. */
  readonly mountPoint: string | undefined;
  readonly role: VolumeRole;
  /** On a disk of which nothing says that this machine boots from it. */
  readonly isForeign: boolean;
}

type VolumeRole = "esp" | "xbootldr" | "store" | "other";

/** @see https://uapi-group.org/specifications/specs/discoverable_partitions_specification/ */
const ROLES: Readonly<Record<string, VolumeRole>> = {
  "c12a7328-f81f-11d2-ba4b-00a0c93ec93b": "esp",
  "0xef": "esp",
  "bc13c2ff-59e6-4262-a352-b275fd6f7172": "xbootldr",
  "0xea": "xbootldr",
};

/** What the partition's type says that it is for; a disk without partitions may be one whole ESP. */
export function roleOf({ type, partition }: Filesystem): VolumeRole {
  if (partition === undefined) return type === "vfat" ? "esp" : "other";
  return ROLES[partition.type?.toLowerCase() ?? ""] ?? "other";
}

/** A boot loader's menu. */
export interface FoundMenu {
  readonly loader: LoaderName;
  readonly volume: Volume;
  /** The configuration, from the volume's top level. */
  readonly config: string;
  readonly isForeign: boolean;
  /** The kernel command lines of its entries. */
  readonly options: readonly string[];
  /** As of `FoundLoader`. */
  readonly drivers: readonly string[];
}

export interface BootPlaceFacts {
  readonly given: LoaderName | undefined;
  /** The likeliest first. */
  readonly volumes: readonly Volume[];
  readonly menus: readonly FoundMenu[];
  readonly store: Volume;
  /** Whether the store's top level is what is mounted without naming a subvolume. */
  readonly isDefaultTop: boolean;
  /** By which name and version the boot loader has told of itself in this boot. */
  readonly loaderInfo: string | undefined;
  /** The kernel command line of this boot. */
  readonly cmdline: string;
}

interface BootPlacePlan {
  readonly loader: LoaderName;
  readonly config: string;
  readonly menu: Volume;
  /** Where boot files go. */
  readonly files: Volume;
}

/**
 * Which boot loader gets the entries, and which filesystem that it reads the boot files.
 * @returns `undefined` where no boot loader was found
 * @throws BootError ENTRY_UNSUITABLE where it reads neither filesystem
 */
export function planBootPlace(
  facts: BootPlaceFacts,
): BootPlacePlan | undefined {
  if (facts.given === "efistub") return planFirmware(facts.volumes);
  const menu = chooseMenu(facts);
  if (menu === undefined) return undefined;
  const { loader, config, volume } = menu;
  const files = chooseFiles(menu, facts);
  const why = BOOT_LOADERS[loader].whyUnreadable({
    filesystem: files.filesystem,
    mountPoint: files.mountPoint ?? "",
  });
  if (why !== undefined) throw unsuitable(why);
  return { loader, config, menu: volume, files };
}

function unsuitable(why: string): BootError {
  return new BootError("ENTRY_UNSUITABLE", `no place for boot files: ${why}`, {
    hint: "Name another boot loader with --loader.",
  });
}

function planFirmware(volumes: readonly Volume[]): BootPlacePlan {
  const { whyUnreadable } = BOOT_LOADERS.efistub;
  const esps = volumes.filter(({ role }) => role === "esp");
  const menu = esps.find((volume) => whyUnreadable(volume) === undefined);
  if (menu !== undefined) {
    return { loader: "efistub", config: "", menu, files: menu };
  }
  const [first] = esps;
  throw unsuitable(
    (first && whyUnreadable(first)) ?? "there is no EFI system partition",
  );
}

/** What is given, else what has started this boot, else the order in which they are looked for. */
function chooseMenu({
  given,
  menus,
  loaderInfo,
  cmdline,
}: BootPlaceFacts): FoundMenu | undefined {
  const rank = ({ loader, isForeign }: FoundMenu) =>
    CHOICES.findIndex(({ name }) => name === loader) +
    (isForeign ? CHOICES.length : 0);
  const sorted = menus
    .filter(({ loader }) => given === undefined || loader === given)
    .toSorted((a, b) => rank(a) - rank(b));
  const running = nameLoader(loaderInfo);
  const booted = likenOptions(cmdline);
  return (
    sorted.find(({ loader }) => loader === running) ??
    sorted.find(({ options }) =>
      options.some((entry) => likenOptions(entry) === booted),
    ) ??
    sorted[0]
  );
}

/** @param info `systemd-boot 257.4-1`, `GRUB 2.12`, `Limine 9.3.0`, `rEFInd 0.14.2` */
function nameLoader(info = ""): LoaderName | undefined {
  const found = CHOICES.find(({ title }) =>
    info.toLowerCase().startsWith(title.toLowerCase()),
  );
  return found?.name;
}

/** A command line without what boot loaders add. */
function likenOptions(cmdline: string): string {
  return formatCmdline(
    parseCmdline(cmdline).filter(
      ({ key }) => !["BOOT_IMAGE", "initrd"].includes(key),
    ),
  );
}

function chooseFiles(
  { loader, volume, drivers }: FoundMenu,
  { volumes, store, isDefaultTop }: BootPlaceFacts,
): Volume {
  const { filesystem } = volume;
  const { type, isMapped, isLabelUnique, partition, uuid } = store.filesystem;
  switch (loader) {
    case "grub":
      // It has opened a LUKS or LVM device only where its own menu is on it. Of an xfs it replays no log: after a power
      // failure it could find a new menu elsewhere, and not yet the boot files there.
      return (isMapped || type === "xfs") && uuid !== filesystem.uuid
        ? volume
        : store;
    case "refind": {
      const hasName = isLabelUnique || partition?.isGpt === true;
      const isRead = drivers.includes(type) && isDefaultTop && hasName;
      return isRead && !isMapped ? store : volume;
    }
    case "systemd-boot": {
      const isBeside = (other: Volume) =>
        other.role === "xbootldr" &&
        other.filesystem.partition?.disk === filesystem.partition?.disk;
      return volumes.find(isBeside) ?? volume;
    }
    case "limine":
    case "efistub":
      return volume;
  }
}
