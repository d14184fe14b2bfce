import { ElfError } from "./elf.ts";

/** A cursor over DWARF's numbers. */
class Reader {
  readonly bytes: Buffer;
  position: number;

  constructor(bytes: Buffer, position: number) {
    this.bytes = bytes;
    this.position = position;
  }

  byte(): number {
    const value = this.bytes[this.position++];
    if (value === undefined) throw new ElfError(".eh_frame ends early");
    return value;
  }

  uleb128(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }

  text(): string {
    let text = "";
    for (let byte = this.byte(); byte !== 0; byte = this.byte())
      text += String.fromCharCode(byte);
    return text;
  }

  /** A pointer of four bytes, relative to its own place: the only kind that is understood. */
  pointer(address: number): number {
    const offset = this.position;
    if (offset + 4 > this.bytes.length)
      throw new ElfError(".eh_frame ends early");
    this.position += 4;
    const distance = this.bytes.readInt32LE(offset);
    return distance === 0 ? 0 : address + offset + distance;
  }
}

const PC_RELATIVE_4_BYTES = 0x1b;

/**
 * The addresses of the functions that have something to do when an exception passes through them:
 * the only ones that can catch it.
 * @param address where the bytes are in memory
 * @throws {ElfError} for what compilers do not write here
 * @see https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/ehframechpt.html
 */
export function findFunctionsWithHandlers(
  bytes: Buffer,
  address: number,
): number[] {
  const hasHandlers = new Map<number, boolean>();
  const found: number[] = [];
  let offset = 0;
  while (offset + 4 <= bytes.length) {
    const length = bytes.readUInt32LE(offset);
    const end = offset + 4 + length;
    if (length === 0) return found;
    if (length < 8 || end > bytes.length)
      throw new ElfError("a record of .eh_frame reaches beyond its end");
    const record = new Reader(bytes.subarray(0, end), offset + 8);
    const distance = bytes.readUInt32LE(offset + 4);
    if (distance === 0) hasHandlers.set(offset, readCommonPart(record));
    else {
      const mayHave = hasHandlers.get(offset + 4 - distance);
      if (mayHave === undefined)
        throw new ElfError("a record of .eh_frame has no common part");
      const start = record.pointer(address);
      record.position += 4;
      record.uleb128();
      if (mayHave && record.pointer(address) !== 0) found.push(start);
    }
    offset = end;
  }
  throw new ElfError(".eh_frame has no end");
}

/** Whether the records with this common part may have handlers. */
function readCommonPart(record: Reader): boolean {
  const version = record.byte();
  const augmentation = record.text();
  if (version !== 1 || !/^zP?L?R$/.test(augmentation))
    throw new ElfError(".eh_frame is of an unknown kind");
  record.uleb128();
  record.uleb128();
  record.byte();
  record.uleb128();
  for (const letter of augmentation.slice(1)) {
    const encoding = record.byte();
    if (letter === "P") record.position += 4;
    else if (encoding !== PC_RELATIVE_4_BYTES)
      throw new ElfError(".eh_frame has pointers of an unknown kind");
  }
  return augmentation.includes("L");
}
