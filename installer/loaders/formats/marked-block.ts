const mark = (key: string, edge: "begin" | "end") =>
  `# dockroot ${key}: ${edge}`;

/** Whether a file has a marked block of any key, or what is left of one. */
export function hasMark(text: string): boolean {
  return /^# dockroot(?: [\w-]+)?: (?:begin|end)/m.test(text);
}

/**
 * The file with the block in the place of the former one of the key, else at its end; the rest as it
 * is. A block without a key, as former versions wrote it, counts as one of the key.
 * @param key letters, digits, `_` and `-`
 * @returns `undefined` where one mark is without the other, or there are several blocks
 */
export function putBlock(
  file: string,
  key: string,
  text: string,
): string | undefined {
  const block = `${mark(key, "begin")}\n${text}${mark(key, "end")}\n`;
  const former = new RegExp(
    `^# dockroot((?: ${key})?): begin\\n([^]*?)^# dockroot\\1: end(?:\\n|$)`,
    "gm",
  );
  const [found, ...others] = [...file.matchAll(former)];
  const ownMark = new RegExp(`^# dockroot(?: ${key})?: (?:begin|end)`, "m");
  const isDamaged =
    others.length > 0 ||
    hasMark(found?.[2] ?? "") ||
    ownMark.test(file.replace(former, ""));
  if (isDamaged) return undefined;
  // A function: the text may have $ in it.
  if (found !== undefined) return file.replace(former, () => block);
  return file === "" ? block : `${file.replace(/(?<!\n)$/, "\n")}\n${block}`;
}
