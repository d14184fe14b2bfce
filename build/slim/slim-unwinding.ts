import { findFunctionsWithHandlers } from "./eh-frame.ts";
import {
  ElfError,
  findSection,
  listSymbols,
  sectionBytes,
  type Elf,
} from "./elf.ts";

/** Mangled names of `std` and `__gnu_cxx`. */
const CXX_LIBRARY = /^_Z(N[KVRO]*)?(St|9__gnu_cxx)/;

/**
 * Removes the tables by which an exception finds who catches it. Nobody does: Node and V8 are
 * compiled without exceptions. What can catch is code of the C++ library that was linked in, which
 * cleans up and throws on. So an exception ends the process by `std::terminate`, as it does with the
 * tables; only a native stack trace is shorter now.
 * @param named the same program, with its symbols
 * @param slimmed gets changed
 * @throws {ElfError} where anything but the C++ library has a handler
 */
export function slimUnwinding(named: Elf, slimmed: Elf): void {
  const frames = findSection(slimmed, ".eh_frame");
  const functions = new Set(
    findFunctionsWithHandlers(sectionBytes(slimmed, frames), frames.address),
  );
  const known = new Set<number>();
  for (const { name, address } of listSymbols(named)) {
    if (!functions.has(address)) continue;
    known.add(address);
    if (!CXX_LIBRARY.test(name))
      throw new ElfError(`${name} may catch exceptions`);
  }
  if (known.size !== functions.size)
    throw new ElfError("a function without a name may catch exceptions");

  const index = sectionBytes(slimmed, findSection(slimmed, ".eh_frame_hdr"));
  if (index.length < 16 || !index.subarray(0, 4).equals(INDEX_START))
    throw new ElfError(".eh_frame_hdr is of an unknown kind");
  for (const name of [".eh_frame_hdr", ".eh_frame", ".gcc_except_table"])
    sectionBytes(slimmed, findSection(slimmed, name)).fill(0);
  // No entries, of a table that ends at once: the zeros that follow.
  INDEX_START.copy(index);
  index.writeInt32LE(8, 4);
}

/**
 * Version 1; pointer to the table and number of entries of four bytes; entries relative to this.
 * @see https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/ehframechpt.html
 */
const INDEX_START = Buffer.from([1, 0x1b, 3, 0x3b]);
