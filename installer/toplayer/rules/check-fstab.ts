import {
  optionValue,
  parseFstab,
  type FstabEntry,
} from "../../system/formats/fstab.ts";
import { isBelow } from "../../../runtime/base/is-below.ts";
import type { CheckedEntry, CheckFacts } from "./check-facts.ts";
import { isEssential, problemOf, type Problem } from "./problem.ts";

/**
 * The root is mounted before anybody reads the fstab. A line for it that names another makes programs
 * act on that one, and systemd wait for its device, at last in vain.
 */
export function checkFstab(facts: CheckFacts): Problem[] {
  const { entry: file, text } = facts.texts.fstab;
  if (file === undefined || text === undefined) return [];
  const { entries, odd } = parseFstab(text);
  const found = [
    ...odd.map(({ line, why }) => ({
      line,
      level: "warning" as const,
      rule: "fstab-odd-line",
      what: `cannot be read as it stands: ${why}`,
      remedy: "Correct the line: man fstab.",
    })),
    ...entries.flatMap((entry) =>
      (entry.mountPoint === "/" ? [findRoot] : [findCovered, findNumber])
        .map((find) => find(entry, facts))
        .filter((problem) => problem !== undefined)
        .map((problem) => ({ line: entry.line, ...problem })),
    ),
  ];
  return found.map(({ line, level, rule, what, remedy }) =>
    problemOf(file, {
      level,
      rule,
      message: `line ${String(line)} of ${file.path} ${what}`,
      remedy,
    }),
  );
}

interface LineProblem extends Pick<Problem, "level" | "rule" | "remedy"> {
  /** Follows the name of the line. */
  readonly what: string;
}

function findRoot(
  entry: FstabEntry,
  { boot, isRootFilesystem }: CheckFacts,
): LineProblem | undefined {
  const problem = (level: Problem["level"], what: string) => ({
    level,
    rule: "fstab-root",
    what,
    remedy:
      "Drop the line: the kernel options mount the root, and it needs none.",
  });
  const another = (why: string) =>
    problem("error", `names another root: ${why}`);
  const perhaps = (what: string, option: string) =>
    problem(
      "warning",
      `mounts / from ${what}: right only where ${option} in the boot menu entry says the same`,
    );
  const { source, fsType } = entry;
  const isSame = isRootFilesystem(source);
  if (!["btrfs", "auto"].includes(fsType)) {
    return another(`it is of the type ${fsType}, not btrfs`);
  }
  if (isSame === false) {
    return another(
      `${source} is another filesystem than root=${boot.root ?? ""}`,
    );
  }
  const number = optionValue(entry, "subvolid");
  if (number !== undefined) {
    return another(
      `subvolid=${number}, which the rwlayer has once at most: it is made anew at each boot`,
    );
  }
  const subvolume = optionValue(entry, "subvol")?.replace(/^\/+|\/+$/g, "");
  if (subvolume !== undefined && subvolume !== boot.rwlayer) {
    return boot.rwlayer === undefined
      ? perhaps(`subvol=${subvolume}`, "rootflags=")
      : another(
          `subvol=${subvolume}, where the kernel options have rootflags=subvol=${boot.rwlayer}`,
        );
  }
  return isSame === undefined ? perhaps(source, "root=") : undefined;
}

/** What is often on a filesystem of its own. */
const MOUNTED_ANYWAY = /^\/(?:dev|home|proc|run|sys|tmp|var|var\/lib)$/;

function findCovered(
  { mountPoint, source, options }: FstabEntry,
  { entries }: CheckFacts,
): LineProblem | undefined {
  if (!mountPoint.startsWith("/") || options.includes("noauto")) {
    return undefined;
  }
  if (isEssential(mountPoint) && !MOUNTED_ANYWAY.test(mountPoint)) {
    return {
      level: "error",
      rule: "fstab-covers-image",
      what: `mounts ${source} over the image's ${mountPoint}`,
      remedy:
        "Drop the line: what is there comes from the image and the top layer.",
    };
  }
  const isHidden = ({ kind, target, isCovered, effect }: CheckedEntry) =>
    kind !== "directory" &&
    !isCovered &&
    ["add", "replace"].includes(effect) &&
    isBelow(target, mountPoint);
  const count = entries.filter(isHidden).length;
  if (count === 0) return undefined;
  return {
    level: "warning",
    rule: "fstab-covers-layer",
    what: `mounts ${source} over ${mountPoint}, where ${String(count)} of the top layer's files are then not seen`,
    remedy: `Move them out of the top layer, to what is mounted at ${mountPoint}.`,
  };
}

function findNumber(entry: FstabEntry): LineProblem | undefined {
  const number = optionValue(entry, "subvolid");
  if (number === undefined) return undefined;
  return {
    level: "warning",
    rule: "fstab-subvolid",
    what: `mounts ${entry.mountPoint} by subvolid=${number}: a subvolume that is made anew has another number`,
    remedy: "Write subvol=NAME instead.",
  };
}
