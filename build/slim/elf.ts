/** An ELF file is not what the build takes it for. */
export class ElfError extends Error {
  override readonly name = "ElfError";
}

export interface ElfSection {
  readonly name: string;
  readonly type: number;
  /** Where the program finds it in memory; 0 where it is not loaded. */
  readonly address: number;
  readonly offset: number;
  readonly size: number;
  /** Of a table: the index of the section that has its names. */
  readonly link: number;
}

/** A line of the program headers: what the kernel or the dynamic linker looks at. */
export interface ElfSegment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
  readonly alignment: number;
}

export interface ElfSymbol {
  readonly name: string;
  readonly address: number;
  readonly size: number;
}

export interface Elf {
  readonly bytes: Buffer;
  readonly segmentsOffset: number;
  readonly segments: readonly ElfSegment[];
  readonly sections: readonly ElfSection[];
}

export const SEGMENT_HEADER_BYTES = 56;
const FILE_HEADER_BYTES = 64;
const SECTION_HEADER_BYTES = 64;
const SYMBOL_BYTES = 24;

export const PT_LOAD = 1;
export const PT_PHDR = 6;
export const PT_GNU_EH_FRAME = 0x6474e550;
const SHT_NOBITS = 8;

const ET_EXEC = 2;
const ET_DYN = 3;
/** x86-64 and AArch64. */
const MACHINES: readonly number[] = [62, 183];

/**
 * The tables of an executable for x64 or arm64.
 * @throws {ElfError} for any other file, and for a table that reaches beyond its end
 * @see https://gabi.xinuos.com/
 */
export function parseElf(bytes: Buffer): Elf {
  if (bytes.length < FILE_HEADER_BYTES) throw new ElfError("it is too short");
  // 64 bits, little-endian, version 1.
  if (bytes.toString("latin1", 0, 7) !== "\x7fELF\x02\x01\x01")
    throw new ElfError("it is no little-endian ELF file of 64 bits");
  if (![ET_EXEC, ET_DYN].includes(bytes.readUInt16LE(16)))
    throw new ElfError("it is no executable");
  if (!MACHINES.includes(bytes.readUInt16LE(18)))
    throw new ElfError("it is for neither x64 nor arm64");
  if (
    bytes.readUInt16LE(54) !== SEGMENT_HEADER_BYTES ||
    bytes.readUInt16LE(58) !== SECTION_HEADER_BYTES
  )
    throw new ElfError("its headers have an unknown size");

  const segmentsOffset = readNumber(bytes, 32);
  const segmentCount = bytes.readUInt16LE(56);
  const segments = readTable(
    bytes,
    segmentsOffset,
    SEGMENT_HEADER_BYTES,
    segmentCount,
  ).map(parseSegment);
  for (const { offset, fileSize, memorySize } of segments) {
    requireRange(bytes, offset, fileSize, "a segment");
    if (memorySize < fileSize)
      throw new ElfError("a segment is larger in the file than in memory");
  }
  return { bytes, segmentsOffset, segments, sections: parseSections(bytes) };
}

function parseSegment(header: Buffer): ElfSegment {
  return {
    type: header.readUInt32LE(0),
    flags: header.readUInt32LE(4),
    offset: readNumber(header, 8),
    address: readNumber(header, 16),
    fileSize: readNumber(header, 32),
    memorySize: readNumber(header, 40),
    alignment: readNumber(header, 48),
  };
}

/** A program header as it stands in the file. */
export function formatSegment(segment: ElfSegment): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
  header.writeUInt32LE(segment.type, 0);
  header.writeUInt32LE(segment.flags, 4);
  header.writeBigUInt64LE(BigInt(segment.offset), 8);
  header.writeBigUInt64LE(BigInt(segment.address), 16);
  header.writeBigUInt64LE(BigInt(segment.address), 24);
  header.writeBigUInt64LE(BigInt(segment.fileSize), 32);
  header.writeBigUInt64LE(BigInt(segment.memorySize), 40);
  header.writeBigUInt64LE(BigInt(segment.alignment), 48);
  return header;
}

function parseSections(bytes: Buffer): ElfSection[] {
  const count = bytes.readUInt16LE(60);
  const nameIndex = bytes.readUInt16LE(62);
  const headers = readTable(
    bytes,
    readNumber(bytes, 40),
    SECTION_HEADER_BYTES,
    count,
  );
  const parsed = headers.map((header) => ({
    nameOffset: header.readUInt32LE(0),
    type: header.readUInt32LE(4),
    address: readNumber(header, 16),
    offset: readNumber(header, 24),
    size: readNumber(header, 32),
    link: header.readUInt32LE(40),
  }));
  for (const { type, offset, size } of parsed) {
    if (type !== SHT_NOBITS) requireRange(bytes, offset, size, "a section");
  }
  const names = parsed[nameIndex];
  return parsed.map(({ nameOffset, ...section }) => ({
    ...section,
    name:
      names === undefined ? "" : readName(bytes, names, nameOffset, "section"),
  }));
}

/**
 * The one section of that name.
 * @throws {ElfError} where there is none or more than one
 */
export function findSection(elf: Elf, name: string): ElfSection {
  const found = elf.sections.filter((section) => section.name === name);
  return requireOne(found, `section ${name}`);
}

/** What a section has in the file: a view, not a copy. */
export function sectionBytes(elf: Elf, section: ElfSection): Buffer {
  return elf.bytes.subarray(section.offset, section.offset + section.size);
}

/**
 * The symbols that `strip` takes off.
 * @throws {ElfError} where there are none
 */
export function listSymbols(elf: Elf): ElfSymbol[] {
  const table = findSection(elf, ".symtab");
  const names = elf.sections[table.link];
  if (names === undefined) throw new ElfError("the symbols have no names");
  const count = Math.floor(table.size / SYMBOL_BYTES);
  return readTable(elf.bytes, table.offset, SYMBOL_BYTES, count).map(
    (entry) => ({
      name: readName(elf.bytes, names, entry.readUInt32LE(0), "symbol"),
      address: readNumber(entry, 8),
      size: readNumber(entry, 16),
    }),
  );
}

/**
 * The one symbol whose name matches.
 * @throws {ElfError} where there is none or more than one
 */
export function findSymbol(elf: Elf, pattern: RegExp): ElfSymbol {
  const found = listSymbols(elf).filter(({ name }) => pattern.test(name));
  return requireOne(found, `symbol ${String(pattern)}`);
}

/**
 * The bytes of an object, which lie in one section: a view, not a copy.
 * @throws {ElfError} where they do not
 */
export function objectBytes(
  elf: Elf,
  sectionName: string,
  { name, address, size }: ElfSymbol,
): Buffer {
  const section = findSection(elf, sectionName);
  const start = address - section.address;
  if (start < 0 || size <= 0 || start + size > section.size)
    throw new ElfError(`${name} does not lie in ${sectionName}`);
  return sectionBytes(elf, section).subarray(start, start + size);
}

function requireOne<T>(found: readonly T[], what: string): T {
  const [first, second] = found;
  if (first === undefined) throw new ElfError(`it has no ${what}`);
  if (second !== undefined) throw new ElfError(`it has more than one ${what}`);
  return first;
}

function readTable(
  bytes: Buffer,
  offset: number,
  entryBytes: number,
  count: number,
): Buffer[] {
  requireRange(bytes, offset, entryBytes * count, "a table");
  return Array.from({ length: count }, (_, index) =>
    bytes.subarray(
      offset + entryBytes * index,
      offset + entryBytes * (index + 1),
    ),
  );
}

function readName(
  bytes: Buffer,
  { offset, size }: { readonly offset: number; readonly size: number },
  nameOffset: number,
  what: string,
): string {
  const end = bytes.indexOf(0, offset + nameOffset);
  if (nameOffset >= size || end < 0 || end >= offset + size)
    throw new ElfError(`a ${what}'s name lies beyond the table of names`);
  return bytes.toString("latin1", offset + nameOffset, end);
}

function requireRange(
  bytes: Buffer,
  offset: number,
  size: number,
  what: string,
): void {
  if (offset + size > bytes.length)
    throw new ElfError(`${what} reaches beyond the end of the file`);
}

function readNumber(bytes: Buffer, offset: number): number {
  const value = bytes.readBigUInt64LE(offset);
  if (value > BigInt(Number.MAX_SAFE_INTEGER))
    throw new ElfError("a number in it is too large");
  return Number(value);
}
