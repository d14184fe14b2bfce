import { openBolt, type BoltBucket } from "../bolt/bolt.ts";
import { BoltError } from "../bolt/meta.ts";
import type { StoreFile } from "../store-files.ts";

/** A hundred thousand images have a quarter of it. */
const MAX_BYTES = 2 ** 31;

/** An engine waits for the disk with each transaction; to look up an image takes milliseconds. */
const MAX_TRIES = 50;

/**
 * Reads a store's bbolt database. Where an engine writes to it meanwhile, it is read again.
 * @param read gets the root bucket; what it returns must not hold on to buckets or buffers
 * @returns `undefined` where there is no such file
 * @throws BootError STORE_DAMAGED, and what `read` throws
 */
export function readBolt<T>(
  file: StoreFile,
  read: (root: BoltBucket) => T,
): T | undefined {
  try {
    return file.withOpened(MAX_BYTES, (opened) => {
      for (let tries = 1; ; tries += 1) {
        const database = openBolt(opened);
        try {
          const answer = read(database.root);
          if (database.isCurrent()) return answer;
        } catch (error) {
          // What was read while an engine wrote does not count.
          if (database.isCurrent()) throw error;
        }
        if (tries === MAX_TRIES) {
          throw new BoltError("an engine writes to it without a pause");
        }
      }
    });
  } catch (cause) {
    if (cause instanceof BoltError) throw file.damaged(cause.message);
    throw cause;
  }
}
