import path from "node:path";
import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import {
  JOURNAL_FILE,
  JOURNALS,
  UNDO_DIRECTORY,
  type Journal,
} from "./plan/journal.ts";
import { STATE_DIRECTORY } from "./plan/manifest.ts";

const MAX_BYTES = 1024 * 1024;

export function writeJournal(host: Host, journal: Journal): void {
  host.files.writeFile(
    host.path(JOURNAL_FILE),
    { text: `${JSON.stringify(journal, undefined, 2)}\n` },
    { mode: 0o600, uid: 0, gid: 0 },
  );
}

/** `undefined` where nothing was interrupted. @throws BootError FILE_UNREADABLE */
export function readJournal(host: Host): Journal | undefined {
  for (const { file, parse, hint } of JOURNALS) {
    const found = readStateFile(host, file, MAX_BYTES, parse, hint);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Whether an interrupted run waits to be taken back, or finished. */
export function isInterrupted(host: Host): boolean {
  return JOURNALS.some(
    ({ file }) => host.files.statusOf(host.path(file)) !== undefined,
  );
}

/** Nothing is to be taken back, or finished, any more. */
export function removeJournal(host: Host): void {
  // Where power fails in between, an earlier dockroot's commit counts as before.
  for (const { file } of JOURNALS.toReversed()) {
    host.files.removeFile(host.path(file));
  }
  removeUndoDirectory(host);
}

/** Removes what no journal names. */
export function removeUndoDirectory(host: Host): void {
  const { namesIn, removeFile, removeTemporary, removeUnusedDirectory } =
    host.files;
  for (const { file } of JOURNALS) removeTemporary(host.path(file));
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
