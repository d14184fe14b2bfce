/**
 * What can write on a terminal, or change the order in which text is read: control characters (C0, DEL,
 * C1), line and paragraph separators, Unicode's bidirectional controls
 * (https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters), and unpaired surrogates,
 * which have no UTF-8.
 */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Cs}]/gu;

/**
 * Replaces control characters (escape sequences, newlines, ...) by `\x1b`-like text, so that names
 * from disks and images cannot write on the console.
 */
export function escapeControl(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    if (character === "\n") return "\\n";
    if (character === "\t") return "\\t";
    const code = character.charCodeAt(0);
    return code < 0x100 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`;
  });
}

/** Decodes the octal escapes of a field of mountinfo or of an fstab (getmntent(3)). */
export function unescapeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

/** Lines of JSON for programs, which people may also read on a terminal: what JSON leaves raw is escaped too. */
export function formatJson(value: unknown): string {
  const text = `${JSON.stringify(value, null, 2)}\n`;
  return text.replace(UNPRINTABLE, (character) =>
    character === "\n" ? character : `\\u${hex(character.charCodeAt(0), 4)}`,
  );
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}
