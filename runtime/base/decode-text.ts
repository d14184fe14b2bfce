/**
 * The text of a file that people edit, without its byte order mark: UTF-8, or UTF-16 where a mark says so, as
 * editors and shells of Windows write it and Docker reads daemon.json.
 * @see https://www.rfc-editor.org/rfc/rfc8259#section-8.1
 */
export function decodeText(bytes: Buffer): string {
  const mark = bytes.length < 2 ? 0 : bytes.readUInt16BE(0);
  if (mark === 0xfffe) return withoutMark(bytes.toString("utf16le"));
  if (mark !== 0xfeff) return withoutMark(bytes.toString("utf8"));
  // Half a character at the end is none.
  const whole = Buffer.from(bytes.subarray(0, bytes.length & ~1));
  return withoutMark(whole.swap16().toString("utf16le"));
}

/** A decoded text without a byte order mark. */
export function withoutMark(text: string): string {
  return text.replace(/^\uFEFF/, "");
}
