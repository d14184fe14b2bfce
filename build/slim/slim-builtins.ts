import { findSection, sectionBytes, type Elf } from "./elf.ts";

/** What Node says of itself; `describeBuiltins` in describe-builtins.ts asks it. */
export interface Builtins {
  /** The JavaScript of each module that is part of Node. */
  readonly sources: Readonly<Record<string, string>>;
  /** What a boot of Node evaluates, or has in its snapshot. */
  readonly loaded: readonly string[];
  /** What V8's code caches begin with: magic number and version, in hexadecimal. */
  readonly cacheStart: string;
  /** What is set in the third number of a code cache besides the length of the source. */
  readonly cacheFlags: number;
}

/** What a removed module does when it is required, after all. */
export const REFUSAL = 'throw new Error("not part of dockroot\'s Node");';

/**
 * Modules that nothing in dockroot reaches: the stripper of types from TypeScript (a WebAssembly of
 * 4 MB), the parser for the debugger and the text of failed assertions, the test runner, HTTP/2, QUIC,
 * and the debugger in a terminal.
 */
const REMOVED =
  /^internal\/(deps\/(acorn|amaro)|test_runner|quic|http2|debugger)\/|^(test|test\/reporters|http2|quic|internal\/main\/(inspect|test_runner))$/;

/**
 * A boot with NODE_USE_ENV_PROXY=1 and a proxy in the environment sets undici up, though nothing
 * uses it then: that goes on as if it had happened.
 */
const UNDICI = "internal/deps/undici/undici";
const UNDICI_SOURCE =
  "exports.setGlobalDispatcher = () => {}; exports.EnvHttpProxyAgent = class {};";

/**
 * The modules to replace, and the source that each gets.
 * @throws where a boot of Node would need one of them
 */
export function planReplacements({
  sources,
  loaded,
}: Builtins): Map<string, string> {
  const removed = Object.keys(sources).filter((id) => REMOVED.test(id));
  if (removed.length < 20 || sources[UNDICI] === undefined)
    throw new Error("Node has not the modules that it is known to have");
  for (const id of [...removed, UNDICI]) {
    if (loaded.includes(id))
      throw new Error(`a boot of Node loads ${id}, which was to be removed`);
  }
  return new Map([
    ...removed.map((id) => [id, REFUSAL] as const),
    [UNDICI, UNDICI_SOURCE],
  ]);
}

/**
 * Replaces the sources, each by one of the same length: the rest is blanks. The code cache of each
 * is destroyed, since V8 compares no more of a source than its length.
 * @param slimmed gets changed
 * @throws where a source or a code cache is not found as Node describes it
 */
export function slimBuiltins(slimmed: Elf, builtins: Builtins): void {
  const place = sectionBytes(slimmed, findSection(slimmed, ".rodata"));
  const caches = findAll(place, Buffer.from(builtins.cacheStart, "hex"));
  for (const [id, replacement] of planReplacements(builtins)) {
    const source = builtins.sources[id] ?? "";
    replaceSource(place, id, source, replacement);
    destroyCodeCache(place, caches, source.length | builtins.cacheFlags);
  }
}

function replaceSource(
  place: Buffer,
  id: string,
  source: string,
  replacement: string,
): void {
  if (source.length < replacement.length)
    throw new Error(`${id} is too short to be replaced`);
  // As V8 keeps strings: a byte for a character where all fit, else two.
  const encoding = /^[\0-\xff]*$/.test(source) ? "latin1" : "utf16le";
  const start = findOnly(place, Buffer.from(source, encoding));
  if (start === undefined) throw new Error(`${id} is not in .rodata`);
  place.write(replacement.padEnd(source.length), start, encoding);
}

/**
 * Code caches begin with seven numbers, of which the third is the source's length and flags, and the
 * sixth the size of what follows.
 * @see https://github.com/v8/v8/blob/13.6.233/src/snapshot/code-serializer.h
 */
function destroyCodeCache(
  place: Buffer,
  caches: readonly number[],
  sourceHash: number,
): void {
  const found = caches.filter(
    (offset) => place.readUInt32LE(offset + 8) === sourceHash >>> 0,
  );
  for (const offset of found) {
    const size = 28 + place.readUInt32LE(offset + 20);
    if (found.length > 1 || size > 1e6)
      throw new Error("a code cache is not as expected");
    place.fill(0, offset, offset + size);
  }
}

function findAll(place: Buffer, bytes: Buffer): number[] {
  const found: number[] = [];
  for (
    let offset = place.indexOf(bytes);
    offset >= 0;
    offset = place.indexOf(bytes, offset + 1)
  )
    found.push(offset);
  return found;
}

/** Where the bytes are. Throws where they are more than once. */
function findOnly(place: Buffer, bytes: Buffer): number | undefined {
  const offset = place.indexOf(bytes);
  if (place.includes(bytes, offset + 1))
    throw new Error("what was to be replaced is there more than once");
  return offset < 0 ? undefined : offset;
}
