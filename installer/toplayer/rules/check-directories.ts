import type { CheckedEntry, CheckFacts } from "./check-facts.ts";
import { formatMode, inLayer, problemOf, type Problem } from "./problem.ts";
import { isEssential } from "./accounts.ts";

/**
 * A top layer's directory gives its owner and mode to the image's: what a careless mkdir made may close
 * the whole system to all but root, or open it to somebody.
 */
export function checkDirectories({ entries }: CheckFacts): Problem[] {
  return entries.flatMap((entry) => {
    const { ofImage, effect, isCovered } = entry;
    if (effect !== "merge" || ofImage === undefined || isCovered) return [];
    const level = isEssential(entry.target) ? "error" : "warning";
    const of = { entry, level, ofImage } as const;
    return [
      ...[checkClosed, checkOpened, checkOwner, checkWritable],
      checkWritableByGroup,
    ].flatMap((check) => check(of));
  });
}

interface Merged {
  readonly entry: CheckedEntry;
  readonly level: Problem["level"];
  readonly ofImage: CheckedEntry["attributes"];
}

function checkClosed({ entry, level, ofImage }: Merged): Problem[] {
  const { mode } = entry.attributes;
  if ((ofImage.mode & ~mode & 0o005) === 0) return [];
  return [
    problemOf(
      entry,
      level,
      "directory-closed",
      `${entry.path} has the mode ${formatMode(mode)}, the image's ${entry.target} has ${formatMode(ofImage.mode)}: programs that do not run as root lose what is in it`,
      inLayer(`chmod ${formatMode(ofImage.mode)}`, entry),
    ),
  ];
}

function checkOpened({ entry, ofImage }: Merged): Problem[] {
  const { mode } = entry.attributes;
  if ((mode & ~ofImage.mode & 0o005) === 0) return [];
  return [
    problemOf(
      entry,
      "warning",
      "directory-opened",
      `${entry.path} has the mode ${formatMode(mode)}, the image's ${entry.target} has ${formatMode(ofImage.mode)}: everybody can see what is in it`,
      inLayer(`chmod ${formatMode(ofImage.mode)}`, entry),
    ),
  ];
}

function checkOwner({ entry, level, ofImage }: Merged): Problem[] {
  const { uid } = entry.attributes;
  if (uid === 0 || ofImage.uid !== 0) return [];
  return [
    problemOf(
      entry,
      level,
      "directory-owner",
      `${entry.path} belongs to the user ${String(uid)}, the image's ${entry.target} to root: who has that number can replace what is in it`,
      inLayer("chown root:root", entry),
    ),
  ];
}

function checkWritable({ entry, level, ofImage }: Merged): Problem[] {
  const { mode } = entry.attributes;
  const isSticky = (mode & 0o1000) !== 0;
  if ((mode & ~ofImage.mode & 0o002) === 0 || isSticky) return [];
  return [
    problemOf(
      entry,
      level,
      "directory-writable",
      `${entry.path} has the mode ${formatMode(mode)}: everybody can replace what is in it`,
      inLayer("chmod o-w", entry),
    ),
  ];
}

function checkWritableByGroup({ entry, level, ofImage }: Merged): Problem[] {
  const { mode, gid } = entry.attributes;
  const isAsInImage = (ofImage.mode & 0o020) !== 0 && ofImage.gid === gid;
  if ((mode & 0o020) === 0 || gid === 0 || isAsInImage) return [];
  return [
    problemOf(
      entry,
      level,
      "directory-writable",
      `${entry.path} has the mode ${formatMode(mode)}: the group ${String(gid)} can replace what is in it`,
      inLayer("chmod g-w", entry),
    ),
  ];
}
