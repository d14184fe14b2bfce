import path from "node:path";
import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import {
  COMMIT,
  formatRecord,
  STATE_DIRECTORY,
  UNDO,
  UNDO_DIRECTORY,
  type CommitRecord,
  type RecordFile,
  type UndoRecord,
} from "./plan/records.ts";

const MAX_BYTES = 4 * 1024 * 1024;

/** `undefined` where there is no such record. @throws BootError FILE_UNREADABLE */
export function readRecord<T>(
  host: Host,
  { file, parse, hint }: RecordFile<T>,
): T | undefined {
  const text = host.readText(file, MAX_BYTES);
  if (text === undefined) return undefined;
  try {
    return parse(text);
  } catch (cause) {
    throw new BootError("FILE_UNREADABLE", `cannot read ${file}`, {
      cause,
      hint,
    });
  }
}

/** Begins the journal with UNDO, or its next phase with COMMIT. */
export function writeJournal<T extends UndoRecord | CommitRecord>(
  host: Host,
  { file }: RecordFile<T>,
  record: T,
): void {
  host.files.writeFile(
    host.path(file),
    { text: formatRecord(record) },
    { mode: 0o600, uid: 0, gid: 0 },
  );
}

function isThere(host: Host, { file }: RecordFile<unknown>): boolean {
  return host.files.statusOf(host.path(file)) !== undefined;
}

/** Whether an interrupted run waits to be taken back, or finished. */
export function isInterrupted(host: Host): boolean {
  return isThere(host, UNDO) || isThere(host, COMMIT);
}

/**
 * Returns from committing, where that has begun, to undoing.
 * @returns whether all can be taken back: no image is in its place yet
 */
export function withdrawCommit(host: Host, { images }: CommitRecord): boolean {
  if (!isThere(host, COMMIT)) return true;
  const { removeFile, statusOf } = host.files;
  if (!images.every(({ from }) => statusOf(host.path(from)))) return false;
  removeFile(host.path(COMMIT.file));
  return true;
}

/** Nothing is to be taken back, or finished, any more. */
export function removeJournal(host: Host): void {
  // Where power fails in between, what was committed stays so.
  host.files.removeFile(host.path(UNDO.file));
  host.files.removeFile(host.path(COMMIT.file));
  removeUndoDirectory(host);
}

/** Removes what no journal names. */
export function removeUndoDirectory(host: Host): void {
  const { namesIn, removeFile, removeTemporary, removeUnusedDirectory } =
    host.files;
  removeTemporary(host.path(UNDO.file));
  removeTemporary(host.path(COMMIT.file));
  for (const name of namesIn(host.path(UNDO_DIRECTORY))) {
    removeFile(host.path(path.join(UNDO_DIRECTORY, name)));
  }
  removeUnusedDirectory(host.path(UNDO_DIRECTORY));
  removeUnusedDirectory(host.path(STATE_DIRECTORY));
}
