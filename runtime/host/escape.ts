/**
 * Replaces control characters (escape sequences, newlines, ...) by `\x1b`-like text, so that names
 * from disks and images cannot write on the console.
 */
export function escapeControl(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are the point
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => {
    if (character === "\n") return "\\n";
    if (character === "\t") return "\\t";
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}
