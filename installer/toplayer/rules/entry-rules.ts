import type { CheckedAttributes, CheckedEntry } from "./check-facts.ts";
import {
  formatMode,
  isEssential,
  runOn,
  type EntryRule,
  type Level,
} from "./problem.ts";

/** What the merge does that its owner may not expect. */
export const MERGE_RULES: readonly EntryRule[] = [
  {
    rule: "unreadable",
    level: "error",
    find: ({ path, refused }) =>
      refused !== undefined &&
      `${path} cannot be read (${refused}): the boot fails to copy it`,
    remedy: "Restore the file, or remove it from the top layer.",
  },
  {
    rule: "replaced",
    level: ({ kind, target }) =>
      kind !== "directory" && isEssential(target) ? "error" : "warning",
    find: ({ effect, kind, replaced, path, target }) => {
      if (effect !== "replace") return false;
      if (kind !== "directory" && replaced !== "directory") return false;
      const where = path === target ? "" : `, at ${target}`;
      const all = replaced === "directory" ? ", with all that is in it" : "";
      const dead =
        replaced === "symlink" ? ", which leads to no directory" : "";
      return `the ${kind} ${path} replaces a ${String(replaced)} of the image${dead}${all}${where}`;
    },
    remedy:
      "If that is not intended, remove it from the top layer or rename it.",
  },
  {
    rule: "whiteout-idle",
    level: "warning",
    find: ({ effect, replaced, path, target }) =>
      effect === "delete" &&
      replaced === null &&
      `the whiteout ${path} deletes nothing: there is no ${target}`,
    remedy: "Correct its name, or remove it.",
  },
  {
    rule: "socket",
    level: "warning",
    find: ({ effect, kind, path }) =>
      effect === "skip" &&
      kind === "socket" &&
      `the socket ${path} is not copied`,
    remedy: "Remove it: the program that listens there creates it.",
  },
  {
    rule: "whiteout-invalid",
    level: "warning",
    find: ({ effect, kind, path }) =>
      effect === "skip" &&
      kind !== "socket" &&
      `${path} is not a valid whiteout, and is not copied`,
    remedy:
      "Write .wh.NAME to delete NAME, or .wh..wh..opq to empty the directory.",
  },
];

/**
 * A top layer's directory gives its owner and mode to the image's: what a careless mkdir made may close
 * the whole system to all but root, or open it to somebody.
 */
export const DIRECTORY_RULES: readonly EntryRule[] = [
  {
    rule: "directory-closed",
    level: levelOf,
    find: compare(
      ({ mode }, ofImage) => (ofImage.mode & ~mode & 0o005) !== 0,
      describeModes(
        "programs that do not run as root cannot reach what is in it",
      ),
    ),
    remedy: setImageMode,
  },
  {
    rule: "directory-opened",
    level: "warning",
    find: compare(
      ({ mode }, ofImage) => (mode & ~ofImage.mode & 0o005) !== 0,
      describeModes("everybody can see what is in it"),
    ),
    remedy: setImageMode,
  },
  {
    rule: "directory-owner",
    level: levelOf,
    find: compare(
      ({ uid }, ofImage) => uid !== 0 && ofImage.uid === 0,
      ({ path, target, attributes }) =>
        `${path} belongs to the user ${String(attributes.uid)}, the image's ${target} to root: that user can replace what is in it`,
    ),
    remedy: runOn("chown root:root"),
  },
  {
    rule: "directory-writable",
    level: levelOf,
    find: compare(
      ({ mode }, ofImage) =>
        (mode & ~ofImage.mode & 0o002) !== 0 && (mode & 0o1000) === 0,
      ({ path, attributes }) =>
        `${path} has the mode ${formatMode(attributes.mode)}: everybody can replace what is in it`,
    ),
    remedy: runOn("chmod o-w"),
  },
  {
    rule: "directory-writable",
    level: levelOf,
    find: compare(
      ({ mode, gid }, ofImage) =>
        (mode & 0o020) !== 0 &&
        gid !== 0 &&
        !((ofImage.mode & 0o020) !== 0 && ofImage.gid === gid),
      ({ path, attributes: { mode, gid } }) =>
        `${path} has the mode ${formatMode(mode)}: the group ${String(gid)} can replace what is in it`,
    ),
    remedy: runOn("chmod g-w"),
  },
];

function levelOf({ target }: CheckedEntry): Level {
  return isEssential(target) ? "error" : "warning";
}

/** Of directories that merge into the image's, and stay. */
function compare(
  isWrong: (own: CheckedAttributes, ofImage: CheckedAttributes) => boolean,
  describe: (entry: CheckedEntry) => string,
): EntryRule["find"] {
  return (entry) =>
    entry.ofImage !== undefined &&
    !entry.isCovered &&
    isWrong(entry.attributes, entry.ofImage) &&
    describe(entry);
}

function describeModes(why: string) {
  return ({ path, target, attributes, ofImage }: CheckedEntry) =>
    `${path} has the mode ${formatMode(attributes.mode)}, the image's ${target} has ${formatMode(ofImage?.mode ?? 0)}: ${why}`;
}

function setImageMode(entry: CheckedEntry): string {
  return runOn(`chmod ${formatMode(entry.ofImage?.mode ?? 0)}`)(entry);
}
