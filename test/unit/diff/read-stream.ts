import fs from "node:fs";
import path from "node:path";
import {
  Replay,
  type Candidate,
} from "../../../installer/diff/formats/replay.ts";
import { SendStreamReader } from "../../../installer/diff/formats/send-stream.ts";
import type { TreeListing } from "../../../fixtures/tree-listing.ts";

const CAPTURED = path.join(
  import.meta.dirname,
  "../../../fixtures/captured/btrfs-6.2-send",
);

/** What `btrfs send --no-data` printed of two snapshots, and what is in them. */
export const captured = {
  stream: fs.readFileSync(path.join(CAPTURED, "stream")),
  before: readListing("before"),
  after: readListing("after"),
};

function readListing(name: string): TreeListing {
  const text = fs.readFileSync(path.join(CAPTURED, `${name}.json`), "utf8");
  return JSON.parse(text) as TreeListing;
}

/** Where the trees of a stream may differ. @throws StreamError */
export function readCandidates(
  stream: Buffer,
  chunkBytes = stream.length,
): readonly Candidate[] {
  const replay = new Replay();
  const reader = new SendStreamReader((command) => {
    replay.apply(command);
  });
  for (let at = 0; at < stream.length; at += chunkBytes) {
    reader.push(stream.subarray(at, at + chunkBytes));
  }
  reader.end();
  return replay.candidates();
}
