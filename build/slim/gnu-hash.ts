import { ElfError } from "./elf.ts";

/**
 * The table by which the dynamic linker finds a symbol, as a view that can forget symbols: an array
 * of bits that knows most absent names, and chains of symbols, the last of each marked by the lowest
 * bit of its hash.
 * @see https://flapenguin.me/elf-dt-gnu-hash
 */
export class GnuHash {
  /** The number of the first symbol that is in the table. */
  readonly firstSymbol: number;
  /** One more than the number of the last symbol. */
  readonly symbolCount: number;
  readonly #shift: number;
  readonly #filter: Buffer;
  readonly #buckets: Buffer;
  readonly #chains: Buffer;

  /** @throws {ElfError} where the table is cut off */
  constructor(bytes: Buffer) {
    if (bytes.length < 16) throw new ElfError(".gnu.hash is too short");
    const bucketCount = bytes.readUInt32LE(0);
    const filterBytes = bytes.readUInt32LE(8) * 8;
    const chainsOffset = 16 + filterBytes + bucketCount * 4;
    if (
      bucketCount === 0 ||
      filterBytes === 0 ||
      chainsOffset > bytes.length ||
      bytes.length % 4 !== 0
    )
      throw new ElfError(".gnu.hash is not what it should be");
    this.firstSymbol = bytes.readUInt32LE(4);
    this.#shift = bytes.readUInt32LE(12);
    this.#filter = bytes.subarray(16, 16 + filterBytes);
    this.#buckets = bytes.subarray(16 + filterBytes, chainsOffset);
    this.#chains = bytes.subarray(chainsOffset);
    this.symbolCount = this.firstSymbol + this.#chains.length / 4;
  }

  /** Leaves nothing of a symbol's hash but whether it is the last of its chain. */
  remove(symbol: number): void {
    const offset = (symbol - this.firstSymbol) * 4;
    this.#chains.writeUInt32LE(this.#chains.readUInt32LE(offset) & 1, offset);
  }

  /** Makes all names absent; those that are there are to be remembered again. */
  forgetNames(): void {
    this.#filter.fill(0);
  }

  rememberName(name: string): void {
    const { word, bits } = this.#findInFilter(hashName(name));
    this.#filter.writeBigUInt64LE(
      this.#filter.readBigUInt64LE(word) | bits,
      word,
    );
  }

  /** The symbols that have the name, or one with the same hash, as the dynamic linker finds them. */
  find(name: string): number[] {
    const hash = hashName(name);
    const { word, bits } = this.#findInFilter(hash);
    if ((this.#filter.readBigUInt64LE(word) & bits) !== bits) return [];
    const bucketCount = this.#buckets.length / 4;
    const found: number[] = [];
    let symbol = this.#buckets.readUInt32LE((hash % bucketCount) * 4);
    if (symbol === 0) return found;
    for (;;) {
      const entry = this.#chains.readUInt32LE((symbol - this.firstSymbol) * 4);
      if (((entry ^ hash) | 1) === 1) found.push(symbol);
      if (entry & 1) return found;
      symbol++;
    }
  }

  #findInFilter(hash: number) {
    const word = Math.floor(hash / 64) % (this.#filter.length / 8);
    const first = BigInt(hash % 64);
    const second = BigInt((hash >>> this.#shift) % 64);
    return { word: word * 8, bits: (1n << first) | (1n << second) };
  }
}

/** The hash of a name, of 32 bits, without a sign. */
export function hashName(name: string): number {
  let hash = 5381;
  for (const byte of Buffer.from(name, "latin1"))
    hash = (Math.imul(hash, 33) + byte) >>> 0;
  return hash;
}
