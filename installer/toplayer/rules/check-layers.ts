import { listNames } from "../../../runtime/base/shorten.ts";
import { isMachineId } from "../../system/formats/machine-id.ts";
import { isOwnId } from "../../system/formats/parse-accounts.ts";
import { formatSize } from "../../text/human.ts";
import { ACCOUNT_FILES } from "./check-accounts.ts";
import {
  TEXT_FILES,
  type CheckedEntry,
  type CheckFacts,
} from "./check-facts.ts";
import { isCopied, problemOf, type Problem } from "./problem.ts";

/** What is on vfat and its like has no owner. The boot gives it one by its name alone. */
export function checkOwnerless({ ownerless }: CheckFacts): Problem[] {
  return ownerless.map((layer) => ({
    level: "warning",
    rule: "ownerless",
    layer,
    path: null,
    message:
      "the top layer is on a filesystem that stores neither owners nor modes: its files belong to root in the new root, and only root can read those that look secret",
    remedy:
      "Where owners matter, put it on the partition of the image store, or on another with a filesystem of Linux.",
  }));
}

/** What all programs read, root's among them. */
const OF_THE_SYSTEM = /^\/(?:etc|usr|s?bin|lib(?:x?32|64)?|boot|root)\//;

/** A top layer that is edited by a person, or kept in git, has that one's files. */
export function checkOwners({ entries }: CheckFacts): Problem[] {
  const foreign = entries
    // Of directories that merge another rule tells.
    .filter(({ effect }) => effect === "add" || effect === "replace")
    .filter(({ isCovered }) => !isCovered)
    .filter(({ target }) => OF_THE_SYSTEM.test(target))
    .filter(({ attributes }) => isOwnId(attributes.uid))
    .map(({ path, attributes }) => `${path} (${String(attributes.uid)})`);
  return warnOfAll(foreign, "owner", {
    message: `files of the system belong to ordinary users, who can change what root runs and reads: ${listNames(foreign)}`,
    remedy: "In the top layer's directory: chown -h root:root FILE",
  });
}

/** What cannot be looked at: links, FIFOs, and what is far too large. */
export function checkTexts({ texts }: CheckFacts): Problem[] {
  return TEXT_FILES.flatMap((file) => {
    const { entry, unchecked } = texts[file];
    if (unchecked === undefined) return [];
    const name = entry?.path ?? `the image's /etc/${file}`;
    const what = ACCOUNT_FILES.includes(file) ? "the accounts are" : "it is";
    return [
      problemOf(entry, {
        level: "warning",
        rule: "not-checked",
        message: `${name} ${unchecked}: ${what} not checked`,
        remedy: "Put a regular file of at most 1 MiB there.",
      }),
    ];
  });
}

const SYSTEMD = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"];

/**
 * Without one, systemd makes a new one at each boot: journals, leases and licences hang on it. Where
 * there is no file, or it says "uninitialized", it takes that boot for the first one.
 * @see https://www.freedesktop.org/software/systemd/man/latest/machine-id.html#First%20Boot%20Semantics
 */
export function checkMachineId({ texts, stands }: CheckFacts): Problem[] {
  const { entry, text, unchecked } = texts["machine-id"];
  if (unchecked !== undefined) return [];
  if (text !== undefined && isMachineId(text)) return [];
  // Other programs than systemd's do not need one.
  if (entry === undefined && !SYSTEMD.some(stands)) return [];
  const said = text?.trim();
  const isFirst = said === undefined || said === "uninitialized";
  const what =
    said === undefined
      ? "is absent"
      : said === ""
        ? "is empty"
        : isFirst
          ? 'says "uninitialized"'
          : "is not 32 hexadecimal digits";
  const then = isFirst
    ? "systemd treats each boot of a new root as the first one: it generates another ID, resets services to their presets, and systemd-firstboot may ask on the console"
    : "the system gets another ID at each boot";
  const whose = entry?.path ?? "the image's /etc/machine-id";
  return [
    problemOf(entry, {
      level: "warning",
      rule: "machine-id",
      message: `${text === undefined ? "/etc/machine-id" : whose} ${what}: ${then}`,
      remedy:
        "In the top layer's directory: systemd-id128 new > ./etc/machine-id",
    }),
  ];
}

/** A copy has none of the attributes of chattr(1): disks of virtual machines and databases get slow. */
export function checkNocow({ entries }: CheckFacts): Problem[] {
  const found = entries
    .filter((entry) => entry.isNocow && !entry.isCovered && isCopied(entry))
    .map(({ path }) => path);
  return warnOfAll(found, "nocow", {
    message: `the top layer has NOCOW files (chattr +C), whose copies are not: ${listNames(found)}`,
    remedy:
      "Keep them on the disk, outside of the top layer: in a subvolume that the top layer's /etc/fstab mounts.",
  });
}

const MODULES = /^\/(?:usr\/)?lib\/modules\/[^/]+/;

/** What a boot loader reads, in a directory that serves as the top layer besides. */
const BOOT_FILES =
  /^\/(?:boot\/)?(?:vmlinu[xz]|bzImage|initrd|initramfs|System\.map|amd-ucode|intel-ucode)[^/]*$|^\/(?:boot\/)?(?:EFI|loader|grub)(?=\/|$)/;

/** Kernels and their modules come from the image; in the top layer they cost time and room at each boot. */
export function checkKernels({ entries }: CheckFacts): Problem[] {
  const copied = entries.filter(isCopied);
  const modules = groupByMatch(copied, MODULES);
  const kernels = groupByMatch(copied, BOOT_FILES);
  return [
    ...warnOfAll([...modules.keys()], "modules", {
      message: `the top layer has kernel modules, and each boot copies them over the image's: ${describeSize(modules)}`,
      remedy:
        "Remove them from the top layer; the image and its kernel belong together.",
    }),
    ...warnOfAll([...kernels.keys()], "kernels", {
      message: `the top layer has files for the boot loader, and each boot copies them to the new root, where nothing reads them: ${describeSize(kernels)}`,
      remedy:
        "Give the top layer a directory of its own beside them, and name it in toplayer_path=.",
    }),
  ];
}

type Groups = ReadonlyMap<string, readonly CheckedEntry[]>;

/** Entries whose targets match, by what of them matches. */
function groupByMatch(
  entries: readonly CheckedEntry[],
  pattern: RegExp,
): Groups {
  const matching = entries.filter(({ target }) => pattern.test(target));
  return Map.groupBy(
    matching,
    ({ target }) => pattern.exec(target)?.[0] ?? target,
  );
}

function describeSize(groups: Groups): string {
  const bytes = [...groups.values()]
    .flat()
    .filter(({ kind }) => kind === "file")
    .reduce((sum, { attributes }) => sum + attributes.sizeBytes, 0);
  return `${listNames([...groups.keys()])} (${formatSize(bytes)})`;
}

/** One warning of all that were found, where there are some. */
function warnOfAll(
  found: readonly string[],
  rule: string,
  text: Pick<Problem, "message" | "remedy">,
): Problem[] {
  if (found.length === 0) return [];
  return [problemOf(undefined, { level: "warning", rule, ...text })];
}
