import path from "node:path";
import { BootError, isSystemError } from "../base/errors.ts";
import { sha256 } from "../base/sha256.ts";
import type { OpenFile } from "../host/files.ts";
import { followIn } from "../host/follow-in.ts";
import type { Host } from "../host/host.ts";
import type { ImageId } from "../images/image-ref.ts";
import { openBolt, type BoltBucket } from "./bolt/bolt.ts";
import { BoltError } from "./bolt/meta.ts";
import { findEmptyPart } from "./split-store.ts";
import type { StoreLocation } from "./store.ts";

/** A hundred thousand images have a quarter of it. */
const MAX_BOLT_BYTES = 2 ** 31;

/** An engine waits for the disk with each transaction; to look up an image takes milliseconds. */
const MAX_BOLT_TRIES = 50;

/**
 * A hundred thousand of Podman's layers, or of Docker's tags, have as many at most. An empty list takes
 * a byte or two in a file and fifty in memory: without a limit a file within its own takes gigabytes.
 */
const MAX_JSON_PARTS = 2_000_000;

const PART_BEGINS = ["[", "{", ","];

/**
 * A store's directory, and how its readers read in it. A path is relative to the store; a link in it
 * leads where it leads inside the filesystem, never out of it.
 */
export class StoreFiles {
  readonly host: Host;
  readonly topLevel: string;
  /** The store's directory as messages have it. */
  readonly path: string;

  constructor({ host, topLevel, path }: StoreLocation) {
    this.host = host;
    this.topLevel = topLevel;
    this.path = path;
  }

  /** A directory of this store as a store of its own. */
  below(directory: string): StoreFiles {
    return new StoreFiles({ ...this, path: path.join(this.path, directory) });
  }

  file(name: string): StoreFile {
    return new StoreFile(this, name);
  }

  /** Where a path of the store leads on this machine; `undefined` where links loop. */
  resolve(name: string): string | undefined {
    return followIn(this.host, this.topLevel, path.join(this.path, name));
  }

  /** The names in a directory, sorted; an empty list where there is none. */
  namesIn(directory: string): string[] {
    const target = this.resolve(directory);
    return target === undefined ? [] : this.host.files.namesIn(target);
  }
}

/** A file of a store. Its errors name it. */
export class StoreFile {
  /** As messages have it. */
  readonly path: string;
  readonly #store: StoreFiles;
  readonly #name: string;

  constructor(store: StoreFiles, name: string) {
    this.path = path.join(store.path, name);
    this.#store = store;
    this.#name = name;
  }

  /** The store, and the file's path in it. */
  get place(): readonly [store: StoreFiles, name: string] {
    return [this.#store, this.#name];
  }

  isPresent(): boolean {
    const target = this.#store.resolve(this.#name);
    return (
      target !== undefined &&
      this.#store.host.files.statusOf(target) !== undefined
    );
  }

  /** @throws BootError STORE_DAMAGED where the file is absent, too large, or cannot be read */
  read(maxBytes: number): Buffer {
    const bytes = this.readIfPresent(maxBytes);
    if (bytes === undefined) throw this.absent();
    return bytes;
  }

  /** @throws BootError STORE_DAMAGED where the file is there, but too large, or cannot be read */
  readIfPresent(maxBytes: number): Buffer | undefined {
    return this.#open((target, files) => files.readBytes(target, maxBytes));
  }

  /**
   * Reads the file as a bbolt database. Where an engine writes to it meanwhile, it is read again.
   * @param read gets the root bucket; what it returns must not hold on to buckets or buffers
   * @returns `undefined` where there is no such file
   * @throws BootError STORE_DAMAGED, and what `read` throws that is no BoltError
   */
  readBolt<T>(read: (root: BoltBucket) => T): T | undefined {
    try {
      return this.#open((target, files) =>
        files.withFile(target, MAX_BOLT_BYTES, (file) => readOnce(file, read)),
      );
    } catch (cause) {
      if (cause instanceof BoltError) throw this.damaged(cause.message);
      throw cause;
    }
  }

  #open<T>(
    work: (target: string, files: Host["files"]) => T | undefined,
  ): T | undefined {
    try {
      const target = this.#store.resolve(this.#name);
      if (target === undefined) return undefined;
      return work(target, this.#store.host.files);
    } catch (cause) {
      const isUnreadable =
        cause instanceof BootError && cause.code === "FILE_UNREADABLE";
      if (!isUnreadable && !isSystemError(cause)) throw cause;
      throw this.damaged("it cannot be read", cause);
    }
  }

  /** @throws BootError STORE_DAMAGED where its content is not what its digest says, or as `readJson` */
  readVerifiedJson(digest: ImageId, maxBytes: number): unknown {
    const bytes = this.read(maxBytes);
    if (`sha256:${sha256(bytes)}` === digest) return this.parseJson(bytes);
    throw this.damaged(
      `its content (${String(bytes.length)} bytes) does not match the sha256 in its name`,
    );
  }

  /** @throws BootError STORE_DAMAGED where it is no JSON, or as `read` */
  readJson(maxBytes: number): unknown {
    return this.parseJson(this.read(maxBytes));
  }

  /** @param bytes of this file @throws BootError STORE_DAMAGED where they are no JSON */
  parseJson(bytes: Buffer): unknown {
    if (hasMoreParts(bytes, MAX_JSON_PARTS)) {
      throw this.damaged(
        `it has more than ${String(MAX_JSON_PARTS)} lists, objects and members`,
      );
    }
    try {
      return JSON.parse(bytes.toString("utf8"));
    } catch (cause) {
      throw this.damaged(
        `its ${String(bytes.length)} bytes are not valid JSON (cut off?)`,
        cause,
      );
    }
  }

  /** That the file, which must be there, is not. */
  absent(): BootError {
    const empty = findEmptyPart(this.#store, this.#name);
    if (empty === undefined) return this.damaged("it is absent");
    const { directory, cause, hint } = empty;
    return new BootError(
      "STORE_DAMAGED",
      `${this.path} is absent: ${directory} is empty on this filesystem`,
      { cause, hint },
    );
  }

  /** @param what is wrong with the file, as a clause: "it has no layers" */
  damaged(what: string, cause?: unknown): BootError {
    return new BootError(
      "STORE_DAMAGED",
      `the image store is damaged at ${this.path}: ${what}`,
      {
        cause,
        hint: "Boot another system that can mount this disk (or a former generation) and look at the store with its engine; pull or build the image again.",
      },
    );
  }
}

/** What is read of a database in one of its transactions. @throws BoltError, and what `read` throws */
function readOnce<T>(file: OpenFile, read: (root: BoltBucket) => T): T {
  for (let tries = 1; ; tries += 1) {
    const database = openBolt(file);
    try {
      const answer = read(database.root);
      if (database.isCurrent()) return answer;
    } catch (error) {
      // What was read while an engine wrote does not count.
      if (database.isCurrent()) throw error;
    }
    if (tries === MAX_BOLT_TRIES) {
      throw new BoltError("an engine keeps writing to it");
    }
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

/**
 * What an image needs is not in the store, and its engine is not at fault.
 * @param why to follow `what`
 * @param place the store, and what is missing, relative to it; without it a list of the store lacks it
 */
export function sourceMissing(
  what: string,
  why: string,
  place?: readonly [store: StoreFiles, name: string],
): BootError {
  const empty = place && findEmptyPart(...place);
  if (empty === undefined) {
    return new BootError("SOURCE_MISSING", `${what}${why}`, {
      hint: "The store is incomplete: in a running system, remove the image with its engine and pull (or build) it again.",
    });
  }
  const { directory, cause, hint } = empty;
  return new BootError(
    "SOURCE_MISSING",
    `${what}${why}: ${directory} is empty on this filesystem`,
    { cause, hint },
  );
}
