import path from "node:path";
import { followIn, readBytesIn } from "../host/follow-in.ts";
import { BootError } from "../base/errors.ts";
import type { StoreLocation } from "./store.ts";

/**
 * How the stores' readers read files. A path is relative to the store; a link in it leads where it
 * leads inside the filesystem, never out of it.
 */

/** Where the store is incomplete and its engine is not at fault. */
export const PULL_AGAIN =
  "The store is incomplete: in a running system, remove the image with its engine and pull (or build) it again.";

/**
 * A hundred thousand of Podman's layers, or of Docker's tags, have as many at most. An empty list takes
 * a byte or two in a file and fifty in memory: without a limit a file within its own takes gigabytes.
 */
const MAX_JSON_PARTS = 2_000_000;
const PART_BEGINS = ["[", "{", ","];

/** @throws BootError STORE_DAMAGED where the file is absent, too large, or can not be read */
export function readStoreFile(
  location: StoreLocation,
  file: string,
  maxBytes: number,
): Buffer {
  const bytes = readIfPresent(location, file, maxBytes);
  if (bytes === undefined) throw damaged(location, file, "it is absent");
  return bytes;
}

/** @throws BootError STORE_DAMAGED where the file is there, but too large, or can not be read */
export function readIfPresent(
  location: StoreLocation,
  file: string,
  maxBytes: number,
): Buffer | undefined {
  const { host, topLevel, path: store } = location;
  try {
    return readBytesIn(host, topLevel, path.join(store, file), maxBytes);
  } catch (cause) {
    throw damaged(location, file, "it cannot be read", cause);
  }
}

/** @throws BootError STORE_DAMAGED */
export function readJson(
  location: StoreLocation,
  file: string,
  maxBytes: number,
): unknown {
  return parseJson(location, file, readStoreFile(location, file, maxBytes));
}

/** @throws BootError STORE_DAMAGED, which names the file that the bytes are from */
export function parseJson(
  location: StoreLocation,
  file: string,
  bytes: Buffer,
): unknown {
  if (hasMoreParts(bytes, MAX_JSON_PARTS)) {
    const what = `it has more than ${String(MAX_JSON_PARTS)} lists, objects and members`;
    throw damaged(location, file, what);
  }
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw damaged(
      location,
      file,
      `its ${String(bytes.length)} bytes are not valid JSON (cut off?)`,
      cause,
    );
  }
}

/** Whether there may be more values in it: commas in texts count, too. */
function hasMoreParts(bytes: Buffer, most: number): boolean {
  // Each part has a byte at least.
  if (bytes.length <= most) return false;
  let parts = 0;
  for (const begin of PART_BEGINS) {
    let at = bytes.indexOf(begin);
    while (at >= 0 && parts <= most) {
      parts += 1;
      at = bytes.indexOf(begin, at + 1);
    }
  }
  return parts > most;
}

export function isPresent(location: StoreLocation, file: string): boolean {
  const target = follow(location, file);
  return (
    target !== undefined && location.host.files.statusOf(target) !== undefined
  );
}

/** The names in a directory of the store, sorted; an empty list where there is none. */
export function namesIn(location: StoreLocation, directory: string): string[] {
  const target = follow(location, directory);
  return target === undefined ? [] : location.host.files.namesIn(target);
}

/** Where a path of the store leads; `undefined` where links loop. */
export function follow(
  { host, topLevel, path: store }: StoreLocation,
  ...parts: readonly string[]
): string | undefined {
  return followIn(host, topLevel, path.join(store, ...parts));
}

/**
 * A directory of the store, relative to the top level: part of it may be a link that makes sense in
 * the running system.
 */
export function findDirectory(
  location: StoreLocation,
  directory: string,
): string {
  const resolved = follow(location, directory);
  return resolved === undefined
    ? path.join(location.path, directory)
    : path.relative(location.topLevel, resolved);
}

/** @param what is wrong with the file, as a clause: "it has no layers" */
export function damaged(
  location: StoreLocation,
  file: string,
  what: string,
  cause?: unknown,
): BootError {
  return new BootError(
    "STORE_DAMAGED",
    `the image store is damaged at ${path.join(location.path, file)}: ${what}`,
    {
      cause,
      hint: "Boot another system that can mount this disk (or a former generation) and look at the store with its engine; pull or build the image again.",
    },
  );
}
