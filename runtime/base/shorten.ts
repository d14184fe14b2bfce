/** The first twelve digits of each long ID, as Docker prints them, for lines that people read. */
export function abbreviateIds(text: string): string {
  return text
    .replace(/sha256:([0-9a-f]{12})[0-9a-f]{52}/g, "$1")
    .replace(/([0-9a-f]{12})[0-9a-f]{52}/g, "$1...");
}

const MAX_CHARS = 80;

/** The beginning of a text that may have any length, for a message. */
export function shorten(text: string): string {
  return text.length <= MAX_CHARS ? text : `${text.slice(0, MAX_CHARS - 3)}...`;
}

/**
 * Names for a message: the first few, and how many more there are.
 * @param max how many are listed
 */
export function listNames(names: readonly string[], max = 8): string {
  const more = names.length - max;
  const listed = names.slice(0, max).join(", ");
  return more > 0 ? `${listed} and ${String(more)} more` : listed;
}
