/**
 * The plain strings of a TOML file, by `table.key`, or `key` above all tables: as much as is needed of
 * the engines' configurations.
 * @see https://toml.io/en/v1.0.0
 */
export function parseTomlTexts(text: string): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  let table = "";
  for (const line of text.split("\n")) {
    const header = /^\s*\[([^\]]*)\]/.exec(line)?.[1];
    if (header !== undefined) table = `${header.replace("[", "").trim()}.`;
    const [, key, basic, literal] =
      /^\s*([\w-]+)\s*=\s*(?:"([^"\\]*)"|'([^']*)')\s*(?:#.*)?$/.exec(line) ??
      [];
    const value = basic ?? literal;
    if (key !== undefined && value !== undefined) {
      texts.set(`${table}${key}`, value);
    }
  }
  return texts;
}
