import { findFunctionsWithHandlers } from "./eh-frame.ts";
import {
  ElfError,
  findSection,
  formatSegment,
  listSymbols,
  PT_GNU_EH_FRAME,
  SEGMENT_HEADER_BYTES,
  sectionBytes,
  type Elf,
  type ElfSection,
} from "./elf.ts";
import type { AddressRange } from "./omit-unused.ts";

/** Mangled names of `std` and `__gnu_cxx`. */
const CXX_LIBRARY = /^_Z(N[KVRO]*)?(St|9__gnu_cxx)/;

/**
 * Removes the tables by which an exception finds who catches it. Nobody does: Node and V8 are
 * compiled without exceptions. What can catch is code of the C++ library that was linked in, which
 * cleans up and throws on, or has a stream note its failure, of which nobody asks for exceptions. So
 * an exception ends the process by `std::terminate`, as it does with the tables; only a native stack
 * trace is shorter now.
 * @param named the same program, with its symbols
 * @param slimmed gets changed
 * @returns where nothing is any more
 * @throws {ElfError} where anything but the C++ library has a handler
 */
export function slimUnwinding(named: Elf, slimmed: Elf): AddressRange {
  const frames = findSection(slimmed, ".eh_frame");
  const functions = new Set(
    findFunctionsWithHandlers(sectionBytes(slimmed, frames), frames.address),
  );
  const known = new Set<number>();
  for (const { name, address } of listSymbols(named)) {
    // On arm64, `$x` marks where code begins.
    if (!functions.has(address) || name.startsWith("$")) continue;
    known.add(address);
    if (!CXX_LIBRARY.test(name))
      throw new ElfError(`${name} may catch exceptions`);
  }
  if (known.size !== functions.size)
    throw new ElfError("a function without a name may catch exceptions");

  const indexSection = findSection(slimmed, ".eh_frame_hdr");
  const index = sectionBytes(slimmed, indexSection);
  if (!index.subarray(0, 4).equals(INDEX_START))
    throw new ElfError(".eh_frame_hdr is of an unknown kind");
  const exceptions = findSection(slimmed, ".gcc_except_table");
  for (const section of [indexSection, frames, exceptions])
    sectionBytes(slimmed, section).fill(0);
  // No entries, of a table that ends at once: the zeros that follow.
  INDEX_START.copy(index);
  index.writeInt32LE(8, 4);
  shrinkSegment(slimmed, PT_GNU_EH_FRAME, INDEX_BYTES);
  return {
    start: indexSection.address + INDEX_BYTES,
    end: endOfNeighbours([indexSection, frames, exceptions], slimmed),
  };
}

/** Where these sections end. Nothing else may lie between them. */
function endOfNeighbours(sections: readonly ElfSection[], elf: Elf): number {
  const start = Math.min(...sections.map(({ address }) => address));
  const end = Math.max(...sections.map(({ address, size }) => address + size));
  const inside = elf.sections.filter(
    ({ address, size }) => address < end && address + size > start,
  );
  if (inside.length !== sections.length)
    throw new ElfError("something lies between the tables of exceptions");
  return end;
}

function shrinkSegment(elf: Elf, type: number, size: number): void {
  const position = elf.segments.findIndex((segment) => segment.type === type);
  const segment = elf.segments[position];
  if (segment === undefined || segment.fileSize < size)
    throw new ElfError("it has no segment to be shrunk");
  formatSegment({ ...segment, fileSize: size, memorySize: size }).copy(
    elf.bytes,
    elf.segmentsOffset + position * SEGMENT_HEADER_BYTES,
  );
}

/**
 * Version 1; pointer to the table and number of entries of four bytes; entries relative to this.
 * @see https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/ehframechpt.html
 */
const INDEX_BYTES = 16;
const INDEX_START = Buffer.from([1, 0x1b, 3, 0x3b]);
