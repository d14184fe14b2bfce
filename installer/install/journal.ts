import path from "node:path";
import type * as v from "valibot";
import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { parseJson } from "../text/parse-json.ts";
import {
  formatRecord,
  JOURNAL,
  UNDO_DIRECTORY,
  type CommitRecord,
  type Journal,
  type UndoRecord,
} from "./plan/journal.ts";
import { STATE_DIRECTORY } from "./plan/manifest.ts";

const MAX_BYTES = 1024 * 1024;

/** Begins the journal, with a record for `undo`, or its next phase. The former record stays. */
export function writeJournal(
  host: Host,
  phase: Journal["phase"],
  record: UndoRecord | CommitRecord,
): void {
  host.files.writeFile(
    host.path(JOURNAL[phase].file),
    { text: formatRecord(record) },
    { mode: 0o600, uid: 0, gid: 0 },
  );
}

/** `undefined` where nothing was interrupted. @throws BootError FILE_UNREADABLE */
export function readJournal(host: Host): Journal | undefined {
  const read = <Shape extends v.GenericSchema>(of: {
    readonly file: string;
    readonly record: Shape;
    readonly hint: string;
  }) =>
    readStateFile(
      host,
      of.file,
      MAX_BYTES,
      (text) => parseJson(of.record, text),
      of.hint,
    );
  const commit = read(JOURNAL.commit);
  if (commit !== undefined) return { phase: "commit", commit };
  const undo = read(JOURNAL.undo);
  return undo && { phase: "undo", undo };
}

/** Whether a record of that phase is there. */
function hasRecord(host: Host, phase: Journal["phase"]): boolean {
  return host.files.statusOf(host.path(JOURNAL[phase].file)) !== undefined;
}

/** Whether an interrupted run waits to be taken back, or finished. */
export function isInterrupted(host: Host): boolean {
  return hasRecord(host, "undo") || hasRecord(host, "commit");
}

/**
 * Returns from the phase `commit`, where that has begun, to `undo`.
 * @returns whether all can be taken back: no image is in its place yet
 */
export function withdrawCommit(host: Host, { images }: CommitRecord): boolean {
  if (!hasRecord(host, "commit")) return true;
  const { removeFile, statusOf } = host.files;
  if (!images.every(({ from }) => statusOf(host.path(from)))) return false;
  removeFile(host.path(JOURNAL.commit.file));
  return true;
}

/** Nothing is to be taken back, or finished, any more. */
export function removeJournal(host: Host): void {
  // Where power fails in between, what was committed stays so.
  host.files.removeFile(host.path(JOURNAL.undo.file));
  host.files.removeFile(host.path(JOURNAL.commit.file));
  removeUndoDirectory(host);
}

/** Removes what no journal names. */
export function removeUndoDirectory(host: Host): void {
  const { namesIn, removeFile, removeTemporary, removeUnusedDirectory } =
    host.files;
  removeTemporary(host.path(JOURNAL.undo.file));
  removeTemporary(host.path(JOURNAL.commit.file));
  for (const name of namesIn(host.path(UNDO_DIRECTORY))) {
    removeFile(host.path(path.join(UNDO_DIRECTORY, name)));
  }
  removeUnusedDirectory(host.path(UNDO_DIRECTORY));
  removeUnusedDirectory(host.path(STATE_DIRECTORY));
}

/**
 * Reads a file of dockroot's own; `undefined` where it is absent.
 * @param hint what to do where it is damaged
 * @throws BootError FILE_UNREADABLE
 */
export function readStateFile<T>(
  host: Host,
  file: string,
  maxBytes: number,
  parse: (text: string) => T,
  hint: string,
): T | undefined {
  const text = host.readText(file, maxBytes);
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
