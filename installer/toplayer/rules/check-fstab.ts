import {
  optionValue,
  parseFstab,
  type FstabEntry,
} from "../../system/formats/fstab.ts";
import type { CheckedEntry, CheckFacts } from "./check-facts.ts";
import { problemOf, type Problem } from "./problem.ts";
import { isEssential } from "./accounts.ts";

/**
 * The root is mounted before anybody reads the fstab. A line for it that names another makes programs
 * act on that one, and systemd wait for its device, at last in vain.
 */
export function checkFstab(facts: CheckFacts): Problem[] {
  const { entry: file, text } = facts.texts.fstab;
  if (file === undefined || text === undefined) return [];
  const { entries, odd } = parseFstab(text);
  return [
    ...odd.map(({ line, why }) =>
      problemOf(
        file,
        "warning",
        "fstab-odd-line",
        `line ${String(line)} of ${file.path} cannot be read as it stands: ${why}`,
        "Correct the line: man fstab.",
      ),
    ),
    ...entries.flatMap((entry) =>
      entry.mountPoint === "/"
        ? checkRoot(facts, file, entry)
        : [...checkCovered(facts, file, entry), ...checkNumber(file, entry)],
    ),
  ];
}

const DROP =
  "Drop the line: the kernel options mount the root, and it needs none.";

function checkRoot(
  { boot, isRootFilesystem }: CheckFacts,
  file: CheckedEntry,
  entry: FstabEntry,
): Problem[] {
  const line = `line ${String(entry.line)} of ${file.path}`;
  const problem = (level: Problem["level"], what: string): Problem[] => [
    problemOf(file, level, "fstab-root", `${line} ${what}`, DROP),
  ];
  const another = (why: string) =>
    problem("error", `names another root: ${why}`);
  const perhaps = (what: string, option: string) =>
    problem(
      "warning",
      `mounts / from ${what}: right only where ${option} in the boot menu entry says the same`,
    );
  const isSame = isRootFilesystem(entry.source);
  if (!["btrfs", "auto"].includes(entry.fsType)) {
    return another(`it is of the type ${entry.fsType}, not btrfs`);
  }
  if (isSame === false) {
    return another(
      `${entry.source} is another filesystem than root=${boot.root ?? ""}`,
    );
  }
  const number = optionValue(entry, "subvolid");
  if (number !== undefined) {
    return another(
      `subvolid=${number}, which the rwlayer has once at most: it is made anew at each start`,
    );
  }
  const subvolume = trimSlashes(optionValue(entry, "subvol"));
  if (subvolume !== undefined && subvolume !== boot.rwlayer) {
    return boot.rwlayer === undefined
      ? perhaps(`subvol=${subvolume}`, "rootflags=")
      : another(
          `subvol=${subvolume}, where the kernel options have rootflags=subvol=${boot.rwlayer}`,
        );
  }
  return isSame === undefined ? perhaps(entry.source, "root=") : [];
}

function checkCovered(
  { entries }: CheckFacts,
  file: CheckedEntry,
  entry: FstabEntry,
): Problem[] {
  const { line, mountPoint, source, options } = entry;
  if (!mountPoint.startsWith("/") || options.includes("noauto")) return [];
  if (isEssential(mountPoint) && !MOUNTED_ANYWAY.has(mountPoint)) {
    return [
      problemOf(
        file,
        "error",
        "fstab-covers-image",
        `line ${String(line)} of ${file.path} mounts ${source} over the image's ${mountPoint}`,
        "Drop the line: what is there comes from the image and the top layer.",
      ),
    ];
  }
  const hidden = entries.filter(
    ({ kind, target, isCovered, effect }) =>
      kind !== "directory" &&
      !isCovered &&
      ["add", "replace"].includes(effect) &&
      target.startsWith(`${mountPoint}/`),
  );
  if (hidden.length === 0) return [];
  return [
    problemOf(
      file,
      "warning",
      "fstab-covers-layer",
      `line ${String(line)} of ${file.path} mounts ${source} over ${mountPoint}, where ${String(hidden.length)} of the top layer's files are then not seen`,
      `Move them out of the top layer, to what is mounted at ${mountPoint}.`,
    ),
  ];
}

/** What is often on a filesystem of its own. */
const MOUNTED_ANYWAY = new Set([
  ...["/dev", "/home", "/proc", "/run", "/sys", "/tmp", "/var", "/var/lib"],
]);

function checkNumber(file: CheckedEntry, entry: FstabEntry): Problem[] {
  const { line, mountPoint } = entry;
  const number = optionValue(entry, "subvolid");
  if (number === undefined) return [];
  return [
    problemOf(
      file,
      "warning",
      "fstab-subvolid",
      `line ${String(line)} of ${file.path} mounts ${mountPoint} by subvolid=${number}: a subvolume that is made anew has another number`,
      "Write subvol=NAME instead.",
    ),
  ];
}

function trimSlashes(text: string | undefined): string | undefined {
  return text?.replace(/^\/+|\/+$/g, "");
}
