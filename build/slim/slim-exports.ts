import { ElfError, findSection, sectionBytes, type Elf } from "./elf.ts";
import { GnuHash } from "./gnu-hash.ts";

const SYMBOL_BYTES = 24;
const RELOCATION_BYTES = 24;
const STB_GLOBAL = 1;
const STB_WEAK = 2;
const SHN_UNDEF = 0;
/** The version of what has none, and is visible to others. */
const VER_NDX_GLOBAL = 1;

/**
 * Removes the symbols that Node exports for native addons: dockroot loads none. Their places in the
 * tables stay, so that no number of a symbol changes, but they have no name and no address.
 * What the libraries may look for stays: see `isForAddons`.
 * @param slimmed gets changed
 * @throws {ElfError} where a remaining symbol would not be found
 */
export function slimExports(slimmed: Elf): void {
  const section = (name: string) =>
    sectionBytes(slimmed, findSection(slimmed, name));
  const symbols = section(".dynsym");
  const names = section(".dynstr");
  const versions = section(".gnu.version");
  const hash = new GnuHash(section(".gnu.hash"));
  if (slimmed.sections.some(({ name }) => name === ".gnu.version_d"))
    throw new ElfError("it has versions of its own, which is not understood");

  const inUse = findRelocatedSymbols([
    section(".rela.dyn"),
    section(".rela.plt"),
  ]);
  const keptNames = [
    ...findLibraryNames(section(".dynamic")),
    ...findVersionNames(section(".gnu.version_r")),
  ];
  const kept: { index: number; name: string }[] = [];
  const count = symbols.length / SYMBOL_BYTES;
  if (versions.length !== count * 2 || hash.symbolCount > count)
    throw new ElfError("the tables of symbols differ in length");
  for (let index = 0; index < count; index++) {
    const entry = symbols.subarray(
      index * SYMBOL_BYTES,
      (index + 1) * SYMBOL_BYTES,
    );
    const nameOffset = entry.readUInt32LE(0);
    const name = readText(names, nameOffset);
    const binding = entry.readUInt8(4) >> 4;
    const isRemoved =
      entry.readUInt16LE(6) !== SHN_UNDEF &&
      versions.readUInt16LE(index * 2) === VER_NDX_GLOBAL &&
      (binding === STB_GLOBAL || binding === STB_WEAK) &&
      !inUse.has(index) &&
      isForAddons(name);
    if (isRemoved) {
      entry.fill(0);
      hash.remove(index);
    } else {
      keptNames.push(nameOffset);
      if (index >= hash.firstSymbol) kept.push({ index, name });
    }
  }
  hash.forgetNames();
  for (const { name } of kept) hash.rememberName(name);
  blankAllBut(names, keptNames);
  for (const { index, name } of kept) {
    if (!hash.find(name).includes(index))
      throw new ElfError(`${name} can no longer be found`);
  }
}

/**
 * Whether nothing but an addon could look for it: it is neither of the C++ library, which may have
 * other copies of its templates and finds those of the program first, nor reserved for the C library.
 */
export function isForAddons(name: string): boolean {
  if (name.startsWith("_Z"))
    return !/^_Z((T[A-Z]|GV)?(N[KVRO]*)?(S[a-z]|\d+__)|n[wa]|d[la])/.test(name);
  return /^[a-zA-Z]/.test(name) && name !== "main";
}

function findRelocatedSymbols(tables: readonly Buffer[]): Set<number> {
  const found = new Set<number>();
  for (const table of tables)
    for (let offset = 0; offset < table.length; offset += RELOCATION_BYTES)
      found.add(table.readUInt32LE(offset + 12));
  return found;
}

/** DT_NEEDED, DT_SONAME, DT_RPATH and DT_RUNPATH. */
const TAGS_WITH_NAMES: readonly bigint[] = [1n, 14n, 15n, 29n];
/** Tags whose values are names, too, but which no linker of today's writes. */
const OTHER_TAGS_WITH_NAMES: readonly bigint[] = [
  ...[0x7ffffffdn, 0x7fffffffn, 0x6ffffefan, 0x6ffffefbn, 0x6ffffefcn],
];

function findLibraryNames(dynamic: Buffer): number[] {
  const found: number[] = [];
  for (let offset = 0; offset < dynamic.length; offset += 16) {
    const tag = dynamic.readBigUInt64LE(offset);
    if (OTHER_TAGS_WITH_NAMES.includes(tag))
      throw new ElfError("the dynamic section has names of an unknown kind");
    if (TAGS_WITH_NAMES.includes(tag))
      found.push(Number(dynamic.readBigUInt64LE(offset + 8)));
  }
  return found;
}

/** @see https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html */
function findVersionNames(needed: Buffer): number[] {
  const found: number[] = [];
  for (let entry = 0, next = -1; next !== 0; entry += next) {
    found.push(needed.readUInt32LE(entry + 4));
    let version = entry + needed.readUInt32LE(entry + 8);
    for (let left = needed.readUInt16LE(entry + 2); left > 0; left--) {
      found.push(needed.readUInt32LE(version + 8));
      version += needed.readUInt32LE(version + 12);
    }
    next = needed.readUInt32LE(entry + 12);
  }
  return found;
}

/** A name may be the end of another one, so what is kept is put back in its place. */
function blankAllBut(names: Buffer, offsets: readonly number[]): void {
  const before = Buffer.from(names);
  names.fill(0);
  for (const offset of offsets) {
    const end = before.indexOf(0, offset);
    before.copy(names, offset, offset, end);
  }
}

function readText(names: Buffer, offset: number): string {
  const end = names.indexOf(0, offset);
  if (offset >= names.length || end < 0)
    throw new ElfError("a symbol's name lies beyond the table of names");
  return names.toString("latin1", offset, end);
}
