import { BootError } from "../../base/errors.ts";
import { BoltError } from "../bolt/meta.ts";
import { openBolt, type BoltBucket } from "../bolt/bolt.ts";
import { damaged, follow } from "../store-files.ts";
import type { StoreLocation } from "../store.ts";

/** A hundred thousand images have a quarter of it. */
const MAX_BYTES = 2 ** 31;

/** An engine waits for the disk with each transaction; to look up an image takes milliseconds. */
const MAX_TRIES = 50;

/**
 * Reads a store's bbolt database. Where an engine writes to it meanwhile, it is read again.
 * @param file relative to the store
 * @param read gets the root bucket; what it returns must not hold on to buckets or buffers
 * @returns `undefined` where there is no such file
 * @throws BootError STORE_DAMAGED, and what `read` throws
 */
export function readBolt<T>(
  location: StoreLocation,
  file: string,
  read: (root: BoltBucket) => T,
): T | undefined {
  const target = follow(location, file);
  if (target === undefined) return undefined;
  const { files } = location.host;
  try {
    return files.withFile(target, MAX_BYTES, (opened) => {
      for (let tries = 1; ; tries += 1) {
        const database = openBolt(opened);
        const answer = attempt(() => read(database.root));
        if (database.isCurrent()) return answer();
        if (tries === MAX_TRIES) {
          throw new BoltError("an engine writes to it without a pause");
        }
      }
    });
  } catch (cause) {
    if (cause instanceof BoltError)
      throw damaged(location, file, cause.message);
    if (cause instanceof BootError && cause.code === "FILE_UNREADABLE") {
      throw damaged(location, file, "it cannot be read", cause);
    }
    throw cause;
  }
}

/** Keeps what was thrown until it is known whether it counts. */
function attempt<T>(work: () => T): () => T {
  try {
    const result = work();
    return () => result;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}
