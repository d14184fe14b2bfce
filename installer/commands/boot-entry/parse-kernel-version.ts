const MAGIC = "HdrS";
const MAGIC_OFFSET = 0x202;
const VERSION_POINTER_OFFSET = 0x20e;
const SETUP_OFFSET = 0x200;

/**
 * The version that an x86 kernel tells of itself, as `uname -r` prints it.
 * @param start the file's first 64 KiB
 * @returns `undefined` where it is no such kernel
 * @see https://www.kernel.org/doc/html/latest/arch/x86/boot.html (kernel_version)
 */
export function parseKernelVersion(start: Buffer): string | undefined {
  if (start.length < VERSION_POINTER_OFFSET + 2) return undefined;
  const magic = start.toString("latin1", MAGIC_OFFSET, MAGIC_OFFSET + 4);
  if (magic !== MAGIC) return undefined;
  const at = start.readUInt16LE(VERSION_POINTER_OFFSET);
  if (at === 0) return undefined;
  const text = start.toString(
    "latin1",
    at + SETUP_OFFSET,
    at + SETUP_OFFSET + 128,
  );
  return /^[\w.+~-]+/.exec(text)?.[0];
}
