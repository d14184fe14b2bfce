/** How much of a kernel's file says its version. */
export const KERNEL_START_BYTES = 0x200 + 0xffff + 256;

const MAGIC = "HdrS";
const MAGIC_AT = 0x202;
const VERSION_AT = 0x20e;
const SETUP_AT = 0x200;
const MAX_VERSION_BYTES = 200;

/**
 * Reads a kernel's version, as `uname -r` prints it, from the beginning of its file.
 * @returns `undefined` where it is no bzImage of x86, or says none
 * @see https://docs.kernel.org/arch/x86/boot.html (kernel_version)
 */
export function parseKernelVersion(start: Buffer): string | undefined {
  const magic = start.toString("latin1", MAGIC_AT, MAGIC_AT + MAGIC.length);
  if (magic !== MAGIC || start.length < VERSION_AT + 2) return undefined;
  const offset = start.readUInt16LE(VERSION_AT);
  if (offset === 0) return undefined;
  const at = SETUP_AT + offset;
  const text = start.toString("latin1", at, at + MAX_VERSION_BYTES);
  return /^[\w.+~-]+/.exec(text)?.[0];
}
