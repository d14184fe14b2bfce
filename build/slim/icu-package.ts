/** A package of ICU's data is not what the build takes it for. */
export class IcuPackageError extends Error {
  override readonly name = "IcuPackageError";
}

export interface IcuItem {
  /** `icudt78l/lang/en.res`: the package's name first. */
  readonly name: string;
  /** With the item's own header; a view into the package. */
  readonly bytes: Buffer;
}

export interface IcuPackage {
  /** In the order of their names, by which ICU searches them. */
  readonly items: readonly IcuItem[];
  readonly header: Buffer;
}

const MAGIC = 0x27da;
const UDATA_INFO_BYTES = 20;
const ALIGNMENT = 16;

/**
 * The items of a package of ICU data ("CmnD", version 1, little-endian, ASCII names).
 * @param bytes the package alone, to its last byte
 * @throws {IcuPackageError} for anything else, and for a table that a binary search cannot use
 * @see https://github.com/unicode-org/icu/blob/release-78.1/icu4c/source/common/ucmndata.h
 */
export function parseIcuPackage(bytes: Buffer): IcuPackage {
  const headerBytes = readHeader(bytes, "CmnD", 1);
  const toc = bytes.subarray(headerBytes);
  requireRange(toc, 0, 4);
  const count = toc.readUInt32LE(0);
  const tocBytes = 4 + count * 8;
  requireRange(toc, 0, tocBytes);
  const entries = Array.from({ length: count }, (_, index) => ({
    name: readName(toc, toc.readUInt32LE(4 + index * 8)),
    start: toc.readUInt32LE(8 + index * 8),
  }));
  const items = entries.map(({ name, start }, index) => {
    const { name: nextName, start: end } = entries[index + 1] ?? {
      name: undefined,
      start: toc.length,
    };
    if (nextName !== undefined && !(name < nextName))
      throw new IcuPackageError(`${nextName} comes after ${name}`);
    if (start < tocBytes || start % ALIGNMENT !== 0 || start >= end)
      throw new IcuPackageError(`${name} has no place of its own`);
    requireRange(toc, start, end - start);
    const item = toc.subarray(start, end);
    readHeader(item);
    return { name, bytes: item };
  });
  return { header: bytes.subarray(0, headerBytes), items };
}

/** A package of these items. They must be in the order of their names. */
export function formatIcuPackage({ header, items }: IcuPackage): Buffer {
  const names = items.map(({ name }) => Buffer.from(`${name}\0`, "latin1"));
  const entries = Buffer.alloc(4 + items.length * 8);
  entries.writeUInt32LE(items.length, 0);
  let position = entries.length;
  for (const [index, name] of names.entries()) {
    entries.writeUInt32LE(position, 4 + index * 8);
    position += name.length;
  }
  const parts = [header, entries, ...names];
  for (const [index, { bytes }] of items.entries()) {
    const padding = Buffer.alloc(-position & (ALIGNMENT - 1));
    position += padding.length;
    entries.writeUInt32LE(position, 8 + index * 8);
    parts.push(padding, bytes);
    position += bytes.length;
  }
  return Buffer.concat(parts);
}

/**
 * Checks the header that every piece of ICU data begins with.
 * @returns its size
 * @see https://github.com/unicode-org/icu/blob/release-78.1/icu4c/source/common/unicode/udata.h
 */
function readHeader(bytes: Buffer, format?: string, version?: number): number {
  requireRange(bytes, 0, 4 + UDATA_INFO_BYTES);
  const headerBytes = bytes.readUInt16LE(0);
  requireRange(bytes, 0, headerBytes);
  if (
    bytes.readUInt16LE(2) !== MAGIC ||
    headerBytes < 4 + UDATA_INFO_BYTES ||
    bytes.readUInt16LE(4) < UDATA_INFO_BYTES
  )
    throw new IcuPackageError("there is no header where ICU's data begins");
  const [isBigEndian, charset, charBytes] = bytes.subarray(8, 11);
  if (isBigEndian !== 0 || charset !== 0 || charBytes !== 2)
    throw new IcuPackageError("the data is for another kind of machine");
  if (format !== undefined && bytes.toString("latin1", 12, 16) !== format)
    throw new IcuPackageError(`the data is not of the format ${format}`);
  if (version !== undefined && bytes[16] !== version)
    throw new IcuPackageError("the data has an unknown version");
  return headerBytes;
}

function readName(toc: Buffer, start: number): string {
  const end = toc.indexOf(0, start);
  const name = end < 0 ? "" : toc.toString("latin1", start, end);
  if (!/^[\w/.,-]+\.\w+$/.test(name))
    throw new IcuPackageError("an item has no proper name");
  return name;
}

function requireRange(bytes: Buffer, start: number, size: number): void {
  if (start + size > bytes.length)
    throw new IcuPackageError("the data ends early");
}
