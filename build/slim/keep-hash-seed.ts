import { ElfError, findSection, sectionBytes, type Elf } from "./elf.ts";

/** Where the fields of a snapshot's header are: src/snapshot/snapshot.cc of V8. */
const REHASHABILITY_OFFSET = 4;
const VERSION_OFFSET = 16;
const VERSION_BYTES = 64;
const MAX_CONTEXTS = 64;

/**
 * Has V8 take the snapshots of its heap with the hash seed that is in them. Otherwise it chooses a
 * random one at each boot, looks for prime numbers, and hashes all names anew: a quarter of Node's
 * start. A random seed guards a server against clients that send it names of equal hashes. Whoever
 * chooses names for dockroot has made the system that boots, or is root on it.
 *
 * The option --no-rehash-snapshot does the same, but then V8 refuses the code of Node's own modules
 * that was cached without it.
 * @param v8Version as `process.versions.v8` of that Node
 */
export function keepHashSeed(slimmed: Elf, v8Version: string): void {
  const data = sectionBytes(slimmed, findSection(slimmed, ".rodata"));
  const version = Buffer.alloc(VERSION_BYTES);
  version.write(v8Version, "latin1");
  let isFound = false;
  for (
    let at = data.indexOf(version);
    at >= 0;
    at = data.indexOf(version, at + 1)
  ) {
    const start = at - VERSION_OFFSET;
    if (start < 0) continue;
    const contexts = data.readUInt32LE(start);
    const rehashability = data.readUInt32LE(start + REHASHABILITY_OFFSET);
    if (contexts === 0 || contexts > MAX_CONTEXTS || rehashability !== 1) {
      throw new ElfError(`a snapshot of V8 ${v8Version} has an odd header`);
    }
    data.writeUInt32LE(0, start + REHASHABILITY_OFFSET);
    isFound = true;
  }
  if (!isFound) throw new ElfError(`it has no snapshot of V8 ${v8Version}`);
}
