import { BootError } from "../base/errors.ts";
import { pathIn, showPath, type LayerEntry } from "./layer.ts";

/**
 * The names of one call of cp, with what the kernel needs for each: far below what it takes at least,
 * see execve(2).
 */
const MAX_ARGUMENT_BYTES = 96 * 1024;

const ARGUMENT_OVERHEAD_BYTES = 9;

/**
 * The entries of a directory in as many lists as cp must be called for.
 * @param from the directory's path in the layer
 * @throws BootError TOPLAYER_UNSUITABLE
 */
export function batchesOf(
  entries: readonly LayerEntry[],
  from: string,
): LayerEntry[][] {
  for (const { name } of entries) {
    requireNameable(pathIn(from, name), "the top layer");
  }
  const batches: LayerEntry[][] = [];
  let room = 0;
  for (const entry of entries) {
    const bytes = entry.name.length + ARGUMENT_OVERHEAD_BYTES;
    if (bytes > room) {
      batches.push([]);
      room = MAX_ARGUMENT_BYTES;
    }
    room -= bytes;
    batches.at(-1)?.push(entry);
  }
  return batches;
}

/** Arguments of a program are UTF-8 here. @throws BootError TOPLAYER_UNSUITABLE */
export function requireNameable(file: string, whose: string): void {
  const bytes = Buffer.from(file, "latin1");
  if (bytes.equals(Buffer.from(bytes.toString("utf8")))) return;
  throw new BootError(
    "TOPLAYER_UNSUITABLE",
    `${whose} has ${showPath(file)}, a name that is not valid UTF-8`,
    { hint: "Rename it." },
  );
}
