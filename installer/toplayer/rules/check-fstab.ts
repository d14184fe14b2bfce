import { isBelow } from "../../../runtime/base/is-below.ts";
import { listNames } from "../../../runtime/base/shorten.ts";
import { parseCrypttab } from "../../system/formats/crypttab.ts";
import {
  isMounted,
  optionValue,
  parseFstab,
  type FstabEntry,
} from "../../system/formats/fstab.ts";
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
  const tell = (line: number, { what, ...problem }: LineProblem) =>
    problemOf(file, {
      ...problem,
      message: `line ${String(line)} of ${file.path} ${what}`,
    });
  return [
    ...odd.map(({ line, why }) =>
      tell(line, {
        level: "warning",
        rule: "fstab-odd-line",
        what: `is malformed: ${why}`,
        remedy: "Correct the line: man fstab.",
      }),
    ),
    ...entries.flatMap((entry) => {
      const finders = entry.mountPoint === "/" ? [findRoot] : FINDERS;
      return finders
        .map((find) => find(entry, facts))
        .filter((problem) => problem !== undefined)
        .map((problem) => tell(entry.line, problem));
    }),
  ];
}

interface LineProblem extends Pick<Problem, "level" | "rule" | "remedy"> {
  /** Follows the name of the line. */
  readonly what: string;
}

type Finder = (entry: FstabEntry, facts: CheckFacts) => LineProblem | undefined;

const findRoot: Finder = (entry, { boot, isRootFilesystem }) => {
  const problem = (level: Problem["level"], what: string) => ({
    level,
    rule: "fstab-root",
    what,
    remedy: "Remove the line: the kernel options mount the root.",
  });
  const another = (why: string) =>
    problem("error", `names another root: ${why}`);
  const perhaps = (what: string, option: string) =>
    problem(
      "warning",
      `mounts / from ${what}: correct only if ${option} in the boot menu entry says the same`,
    );
  const { source, fsType } = entry;
  const isSame = isRootFilesystem(source);
  if (boot.isOverlay)
    return another("root is an overlay of the image's layers");
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
      `subvolid=${number}, and the rwlayer gets a new ID at each boot`,
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
};

/** What is often on a filesystem of its own. */
const MOUNTED_ANYWAY = /^\/(?:dev|home|proc|run|sys|tmp|var|var\/lib)$/;

const findCovered: Finder = (entry, { entries, imageHasFiles }) => {
  const { mountPoint, source } = entry;
  if (!mountPoint.startsWith("/") || !isMounted(entry)) return undefined;
  if (isEssential(mountPoint) && !MOUNTED_ANYWAY.test(mountPoint)) {
    return {
      level: "error",
      rule: "fstab-covers-image",
      what: `mounts ${source} over the image's ${mountPoint}`,
      remedy:
        "Remove the line: the image and the top layer provide what is there.",
    };
  }
  if (imageHasFiles.has(mountPoint)) {
    return {
      level: "warning",
      rule: "fstab-hides-image",
      what: `mounts ${source} over the image's ${mountPoint} and hides its files`,
      remedy:
        "Remove the line if what it mounts belongs to another system: the new one needs the image's files.",
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
    what: `mounts ${source} over ${mountPoint} and hides ${String(count)} of the top layer's files`,
    remedy: `Move them out of the top layer, to what is mounted at ${mountPoint}.`,
  };
};

const findNumber: Finder = (entry) => {
  const number = optionValue(entry, "subvolid");
  if (number === undefined) return undefined;
  return {
    level: "warning",
    rule: "fstab-subvolid",
    what: `mounts ${entry.mountPoint} by subvolid=${number}: a subvolume that is created again gets another ID`,
    remedy: "Write subvol=NAME instead.",
  };
};

/** systemd waits 90 seconds for the device, and then starts no more than an emergency shell. */
const findUnopened: Finder = (entry, { texts, cryptNames, openedNames }) => {
  if (!isMounted(entry)) return undefined;
  const { source, mountPoint, fsType, options } = entry;
  const inCrypttab = parseCrypttab(texts.crypttab.text ?? "")
    .filter(({ isOpened }) => isOpened)
    .map(({ name }) => name);
  const closed = (cryptNames.get(source) ?? []).filter(
    (name) => !inCrypttab.includes(name) && !openedNames.has(name),
  );
  if (closed.length === 0) return undefined;
  const isNeeded = fsType !== "swap" && !options.includes("nofail");
  const use = fsType === "swap" ? "as swap" : `at ${mountPoint}`;
  return {
    level: isNeeded ? "error" : "warning",
    rule: "fstab-unopened",
    what: `needs ${source} ${use}, and nothing opens ${listNames(closed)}: neither a line of /etc/crypttab nor a kernel option`,
    remedy: `Put the line of ${listNames(closed)} in this machine's /etc/crypttab into etc/crypttab of the top layer, or remove the line.`,
  };
};

const FINDERS: readonly Finder[] = [findCovered, findNumber, findUnopened];

/** A key that is not there: systemd then asks for a passphrase on the console. */
export function checkCrypttab({ texts, stands }: CheckFacts): Problem[] {
  const { entry, text = "" } = texts.crypttab;
  if (entry === undefined) return [];
  return parseCrypttab(text).flatMap(({ line, name, keyFile, isOpened }) => {
    if (!isOpened || keyFile === undefined || stands(keyFile)) return [];
    return problemOf(entry, {
      level: "warning",
      rule: "crypttab-key",
      message: `line ${String(line)} of ${entry.path} opens ${name} with ${keyFile}, which the new root does not have: each boot asks for a passphrase`,
      remedy: `Copy the key to the same place in the top layer, with the mode 0600.`,
    });
  });
}
