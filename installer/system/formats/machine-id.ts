/**
 * Whether it is the ID of a machine, not empty or `uninitialized`.
 * @see https://www.freedesktop.org/software/systemd/man/latest/machine-id.html
 */
export function isMachineId(text: string): boolean {
  return /^[0-9a-f]{32}\n?$/i.test(text) && !/^0*\n?$/.test(text);
}

/** @param random 16 bytes; becomes a UUID of version 4, as systemd makes it */
export function formatMachineId(random: Buffer): string {
  const bytes = Buffer.from(random);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return `${bytes.toString("hex")}\n`;
}
