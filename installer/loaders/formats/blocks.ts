const mark = (key: string, edge: "begin" | "end") =>
  `# dockroot ${key}: ${edge}`;

/** The block that boot-entry writes: others may stand beside it. */
export const DEFAULT_BLOCK = "default";

/** Whether a file has a marked block of any key, or what is left of one. */
export function hasMark(text: string): boolean {
  return /^# dockroot(?: [\w%-]+)?: (?:begin|end)/m.test(text);
}

/** A block of the key; as former versions wrote boot-entry's, that one may have no key. */
function blocksOf(key: string): { block: RegExp; ownMark: RegExp } {
  const name = key === DEFAULT_BLOCK ? `(?: ${key})?` : ` ${key}`;
  return {
    block: new RegExp(
      `^# dockroot(${name}): begin\\n([^]*?)^# dockroot\\1: end(?:\\n|$)`,
      "gm",
    ),
    ownMark: new RegExp(`^# dockroot${name}: (?:begin|end)`, "m"),
  };
}

/**
 * The file with the block in the place of the former one of the key, else at its end; the rest as it
 * is.
 * @param key letters, digits, `_`, `-` and `%`
 * @param isFirst whether the block moves to the beginning of the file
 * @returns `undefined` where one mark is without the other, or there are several blocks
 */
export function putBlock(
  file: string,
  key: string,
  text: string,
  isFirst = false,
): string | undefined {
  const whole = `${mark(key, "begin")}\n${text}${mark(key, "end")}\n`;
  const { block, ownMark } = blocksOf(key);
  const [found, ...others] = [...file.matchAll(block)];
  const isDamaged =
    others.length > 0 ||
    hasMark(found?.[2] ?? "") ||
    ownMark.test(file.replace(block, ""));
  if (isDamaged) return undefined;
  if (isFirst) return whole + file.replace(block, "");
  // A function: the text may have $ in it.
  if (found !== undefined) return file.replace(block, () => whole);
  return file === "" ? whole : `${file.replace(/(?<!\n)$/, "\n")}\n${whole}`;
}

/** What is in the block of the key; `undefined` where there is none. */
export function findBlock(file: string, key: string): string | undefined {
  return [...file.matchAll(blocksOf(key).block)][0]?.[2];
}
