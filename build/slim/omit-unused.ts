import {
  ElfError,
  formatSegment,
  parseElf,
  PT_LOAD,
  PT_PHDR,
  SEGMENT_HEADER_BYTES,
  type ElfSegment,
} from "./elf.ts";

/** Addresses at which there is nothing that anyone reads. */
export interface AddressRange {
  readonly start: number;
  /** The first address behind it. */
  readonly end: number;
}

/**
 * The executable without the pages that are of no use: they are neither in the file nor in memory.
 * The segment around them becomes two. The headers of the sections go as well.
 * @param unused zeros, each range in one segment that is not written
 * @throws {ElfError} where that is not so, or there is no room for the headers of more segments
 */
export function omitUnused(
  bytes: Buffer,
  unused: readonly AddressRange[],
): Buffer {
  const { segments, segmentsOffset } = parseElf(bytes);
  const pieces = segments
    .filter(({ type }) => type === PT_LOAD)
    .flatMap((segment) => cut(segment, unused, bytes));

  let end = 0;
  const moved = pieces.map((piece) => {
    // A page of the file is a page in memory.
    const shift = (piece.address - end) % piece.alignment;
    const offset = end + ((shift + piece.alignment) % piece.alignment);
    end = offset + piece.fileSize;
    return { ...piece, offset };
  });
  const content = Buffer.alloc(end);
  for (const [index, { offset, fileSize }] of pieces.entries())
    bytes.copy(content, moved[index]?.offset, offset, offset + fileSize);

  const headers = segments.flatMap((segment) => {
    if (segment.type !== PT_LOAD) return [move(segment, moved)];
    // All segments that are loaded stand where the first one stood, in the order of their addresses.
    return segment === segments.find(({ type }) => type === PT_LOAD)
      ? moved
      : [];
  });
  writeHeaders(content, headers, segmentsOffset);
  return dropSections(content);
}

/** What is left of a segment. */
function cut(
  segment: ElfSegment,
  unused: readonly AddressRange[],
  bytes: Buffer,
): ElfSegment[] {
  const { alignment, offset, address, fileSize, memorySize } = segment;
  const holes = unused
    .filter(({ start }) => start >= address && start < address + fileSize)
    .map(({ start, end }) => ({
      start: Math.ceil(start / alignment) * alignment,
      // No page is kept for the end of a segment alone.
      end:
        end === address + memorySize
          ? end
          : Math.floor(end / alignment) * alignment,
    }))
    .filter(({ start, end }) => start < end)
    .sort((a, b) => a.start - b.start);
  const pieces: ElfSegment[] = [];
  let start = address;
  for (const hole of holes) {
    const from = offset + hole.start - address;
    const to = offset + hole.end - address;
    if ((segment.flags & PF_W) !== 0)
      throw new ElfError("what is of no use lies where programs write");
    if (hole.start < start || to > offset + fileSize)
      throw new ElfError("what is of no use lies in more than one segment");
    if (bytes.subarray(from, to).some((byte) => byte !== 0))
      throw new ElfError("what is of no use is not blank");
    pieces.push(slice(segment, start, hole.start - start));
    start = hole.end;
  }
  const rest = slice(segment, start, address + fileSize - start);
  const memoryLeft = address + memorySize - start;
  return [...pieces, { ...rest, memorySize: memoryLeft }].filter(
    (piece) => piece.memorySize > 0,
  );
}

const PF_W = 2;

function slice(segment: ElfSegment, start: number, size: number): ElfSegment {
  return {
    ...segment,
    offset: segment.offset + start - segment.address,
    address: start,
    fileSize: size,
    memorySize: size,
  };
}

/** A segment that says something of a part of another one goes where that part goes. */
function move(segment: ElfSegment, loaded: readonly ElfSegment[]): ElfSegment {
  const { address, fileSize } = segment;
  if (fileSize === 0 && address === 0) return segment;
  const home = loaded.find(
    (piece) =>
      address >= piece.address &&
      address + fileSize <= piece.address + piece.fileSize,
  );
  if (home === undefined)
    throw new ElfError("something is said of what is of no use");
  return { ...segment, offset: home.offset + address - home.address };
}

function writeHeaders(
  content: Buffer,
  headers: readonly ElfSegment[],
  segmentsOffset: number,
): void {
  const table = headers.find(({ type }) => type === PT_PHDR);
  const first = headers.find(({ type }) => type === PT_LOAD);
  const size = headers.length * SEGMENT_HEADER_BYTES;
  // Linux before 5.18 takes it for granted that the table lies as far from the file's beginning as
  // from that of the program in memory. It gives no more than a page for the table.
  if (
    table?.offset !== segmentsOffset ||
    first?.offset !== 0 ||
    table.address - table.offset !== first.address ||
    size > 4096
  )
    throw new ElfError("the program headers lie where they cannot stay");
  const former = content.readUInt16LE(56) * SEGMENT_HEADER_BYTES;
  const room = content.subarray(
    segmentsOffset + former,
    segmentsOffset + Math.max(size, former),
  );
  if (size > table.fileSize || room.some((byte) => byte !== 0))
    throw new ElfError("there is no room for more program headers");
  Buffer.concat(
    headers.map((header) =>
      formatSegment(
        header === table
          ? { ...header, fileSize: size, memorySize: size }
          : header,
      ),
    ),
  ).copy(content, segmentsOffset);
  content.writeUInt16LE(headers.length, 56);
}

/**
 * Takes the headers of the sections off, which no kernel and no dynamic linker looks at: without them
 * `strip` refuses the file instead of breaking it.
 * @param content an executable; gets changed
 */
export function dropSections(content: Buffer): Buffer {
  content.writeBigUInt64LE(0n, 40);
  return content.fill(0, 60, 64);
}
