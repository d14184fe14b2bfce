const BEGIN = "# dockroot: begin";
const END = "# dockroot: end";
const BLOCK = new RegExp(`^${BEGIN}\\n[^]*?^${END}(?:\\n|$)`, "gm");

/** A text between marks, by which it is found again. */
export function markBlock(text: string): string {
  return `${BEGIN}\n${text}${END}\n`;
}

/** Whether a file has a marked block, or what is left of one. */
export function hasMark(text: string): boolean {
  return new RegExp(`^(?:${BEGIN}|${END})`, "m").test(text);
}

/**
 * The file with the block in the place of the former one, else at its end; the rest as it is.
 * @returns `undefined` where one mark is without the other, or there are several blocks
 */
export function putBlock(file: string, text: string): string | undefined {
  const block = markBlock(text);
  const blocks = [...file.matchAll(BLOCK)];
  if (blocks.length === 0) {
    if (hasMark(file)) return undefined;
    if (file === "") return block;
    return `${file.replace(/(?<!\n)$/, "\n")}\n${block}`;
  }
  const rest = file.replace(BLOCK, "");
  if (blocks.length > 1 || hasMark(rest)) return undefined;
  // A function: the text may have $ in it.
  return file.replace(BLOCK, () => block);
}
