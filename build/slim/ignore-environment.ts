import { ElfError, findSection, sectionBytes, type Elf } from "./elf.ts";

/**
 * What Node reads before any script runs and ends over, or cannot go on with: a channel to a parent
 * process, the number of a worker of `cluster`. Read by Node's own JavaScript.
 */
const READ_BY_SCRIPTS = ["NODE_CHANNEL_FD", "NODE_UNIQUE_ID"];

/** The same, read by getenv(3): the program for a REPL, OpenSSL's configuration. */
const READ_BY_GETENV = ["NODE_REPL_EXTERNAL_MODULE", "OPENSSL_CONF"];

/** As V8 keeps a string in a snapshot or in cached code: hash, length, characters. */
const HASH_OFFSET = -8;
const LENGTH_OFFSET = -4;

/** V8's hash of each name, by the seed in that Node's snapshots. */
export type NameHashes = Readonly<Record<string, number>>;

/** The names of which `ignoreEnvironment` must know the hashes. */
export const hashedNames: readonly string[] = READ_BY_SCRIPTS.flatMap(
  (name) => [name, replacementOf(name)],
);

/**
 * Has Node look for other names than those that a kernel command line may have: what the kernel does
 * not know of it becomes the environment of early userspace. Names change in sources, in cached code
 * and in snapshots alike, where V8 has their hashes beside them.
 * @param slimmed gets changed; keeps its hash seed
 * @throws {ElfError} where a name does not stand where it is known to
 */
export function ignoreEnvironment(slimmed: Elf, hashes: NameHashes): void {
  const place = sectionBytes(slimmed, findSection(slimmed, ".rodata"));
  for (const name of READ_BY_SCRIPTS) renameInScripts(place, name, hashes);
  for (const name of READ_BY_GETENV) renameForGetenv(place, name);
}

/** A name for JavaScript that no shell can set. */
function replacementOf(name: string): string {
  return `$${name.slice(1)}`;
}

function renameInScripts(
  place: Buffer,
  name: string,
  hashes: NameHashes,
): void {
  const [former, present] = [name, replacementOf(name)].map(
    (each) => hashes[each],
  );
  if (former === undefined || present === undefined)
    throw new ElfError(`the hash of ${name} is not known`);
  const found = findAll(place, name);
  const hashed = found.filter((at) => isHashed(place, at, name));
  if (hashed.length === 0 || hashed.length === found.length)
    throw new ElfError(`${name} is not both in a source and in compiled code`);
  for (const at of hashed) {
    if (place.readUInt32LE(at + HASH_OFFSET) !== former)
      throw new ElfError(`${name} has another hash than V8 gives it`);
    place.writeUInt32LE(present, at + HASH_OFFSET);
  }
  for (const at of found) place.write(replacementOf(name), at, "latin1");
}

/** No variable's name begins with `=`. Another string may share the end of this one. */
function renameForGetenv(place: Buffer, name: string): void {
  const [at, ...others] = findAll(place, `\0${name}\0`)
    .map((before) => before + 1)
    .filter((start) => !isHashed(place, start, name));
  if (at === undefined || others.length > 0)
    throw new ElfError(`${name} is not there exactly once`);
  place.write("=", at, "latin1");
}

/** Whether it is a string of V8's own, and no part of a text. */
function isHashed(place: Buffer, at: number, name: string): boolean {
  return place.readUInt32LE(at + LENGTH_OFFSET) === name.length;
}

function findAll(place: Buffer, text: string): number[] {
  const bytes = Buffer.from(text, "latin1");
  const found: number[] = [];
  for (
    let at = place.indexOf(bytes);
    at >= 0;
    at = place.indexOf(bytes, at + 1)
  )
    found.push(at);
  return found;
}
