/**
 * Carries what has changed in an account file over to another version of it: the lines of each name that has other
 * ones, or none any more. New names come before the lines of NIS, in their order.
 * @param base what the changed one was before
 * @param changed likewise
 * @param other gets the changes; its own lines stay in their places
 */
export function mergeLines(
  base: string,
  changed: string,
  other: string,
): string {
  const [before, after] = [byName(base), byName(changed)];
  const names = new Set([...before.keys(), ...after.keys()]);
  const differs = new Set(
    [...names].filter((name) => before.get(name) !== after.get(name)),
  );
  const placed = new Set<string>();
  const lines = linesOf(other).flatMap((line) => {
    const name = nameOf(line);
    if (!differs.has(name)) return [line];
    if (placed.has(name)) return [];
    placed.add(name);
    return after.get(name)?.split("\n") ?? [];
  });
  const added = [...differs].flatMap((name) =>
    placed.has(name) ? [] : (after.get(name)?.split("\n") ?? []),
  );
  const nis = lines.findIndex((line) => /^[+-]/.test(line));
  return lines
    .toSpliced(nis === -1 ? lines.length : nis, 0, ...added)
    .map((line) => `${line}\n`)
    .join("");
}

/** The lines of each name, as one text; of subuid there may be several. */
function byName(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of linesOf(text)) {
    const name = nameOf(line);
    const earlier = found.get(name);
    found.set(name, earlier === undefined ? line : `${earlier}\n${line}`);
  }
  return found;
}

function linesOf(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

function nameOf(line: string): string {
  return line.split(":", 1)[0] ?? "";
}
