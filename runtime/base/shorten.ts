const MAX_CHARS = 80;

/** The beginning of a text that may have any length, for a message. */
export function shorten(text: string): string {
  return text.length <= MAX_CHARS ? text : `${text.slice(0, MAX_CHARS - 3)}...`;
}
