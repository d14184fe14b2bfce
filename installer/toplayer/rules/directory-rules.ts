import type { CheckedEntry, CheckedAttributes } from "./check-facts.ts";
import {
  formatMode,
  isEssential,
  type EntryRule,
  type Level,
} from "./problem.ts";

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
      describeModes("programs that do not run as root lose what is in it"),
    ),
    command: setImageMode,
  },
  {
    rule: "directory-opened",
    level: "warning",
    find: compare(
      ({ mode }, ofImage) => (mode & ~ofImage.mode & 0o005) !== 0,
      describeModes("everybody can see what is in it"),
    ),
    command: setImageMode,
  },
  {
    rule: "directory-owner",
    level: levelOf,
    find: compare(
      ({ uid }, ofImage) => uid !== 0 && ofImage.uid === 0,
      ({ path, target, attributes }) =>
        `${path} belongs to the user ${String(attributes.uid)}, the image's ${target} to root: who has that number can replace what is in it`,
    ),
    command: "chown root:root",
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
    command: "chmod o-w",
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
    command: "chmod g-w",
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

function setImageMode({ ofImage }: CheckedEntry): string {
  return `chmod ${formatMode(ofImage?.mode ?? 0)}`;
}
