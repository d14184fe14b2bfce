import fs from "node:fs";
import { createSha256 } from "../base/sha256.ts";

const PIECE_BYTES = 1024 * 1024;

/** The SHA-256 of a file of any size, in hex digits. */
export function hashFile(file: string): string {
  const hash = createSha256();
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  const descriptor = fs.openSync(file, "r");
  try {
    for (;;) {
      const length = fs.readSync(descriptor, piece);
      if (length === 0) return hash.digest("hex");
      hash.update(piece.subarray(0, length));
    }
  } finally {
    fs.closeSync(descriptor);
  }
}
