import path from "node:path";
import { BootError } from "../../runtime/host/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { Change } from "./change.ts";
import {
  formatJournal,
  JOURNAL_FILE,
  parseJournal,
  UNDO_DIRECTORY,
  type Journal,
} from "./journal.ts";
import { STATE_DIRECTORY, type FormerFile } from "./manifest.ts";

const MAX_JOURNAL_BYTES = 1024 * 1024;

/**
 * Makes the changes, then does the work; where either fails, all is as it was before. Where not even
 * that can be done (a power failure), the next call of `undoInterrupted` does it.
 * @param work with the changes made
 */
export async function inTransaction(
  host: Host,
  changes: readonly Change[],
  work: () => Promise<void>,
): Promise<void> {
  const journal = keepFormer(host, changes);
  try {
    makeChanges(host, changes, journal);
    await work();
  } catch (error) {
    undo(host, journal);
    throw error;
  }
  forget(host);
}

/**
 * Takes back what an interrupted install or uninstall has done.
 * @returns whether there was something
 * @throws BootError FILE_UNREADABLE
 */
export function undoInterrupted(host: Host): boolean {
  const text = host.readText(JOURNAL_FILE, MAX_JOURNAL_BYTES);
  if (text === undefined) {
    // It was cut off before it began, or after it ended.
    removeUndoDirectory(host);
    return false;
  }
  undo(host, readJournal(text));
  return true;
}

/** @throws BootError FILE_UNREADABLE */
function readJournal(text: string): Journal {
  try {
    return parseJournal(text);
  } catch (cause) {
    throw new BootError("FILE_UNREADABLE", `cannot read ${JOURNAL_FILE}`, {
      cause,
      hint: `It says how to undo an interrupted installation; its files are in ${UNDO_DIRECTORY}. Remove both to go on as things are.`,
    });
  }
}

function keepFormer(host: Host, changes: readonly Change[]): Journal {
  const { ensureDirectory, putFile, statusOf } = host.files;
  const directories = missingDirectories(host, changes);
  host.files.ensureDirectories(host.path(path.dirname(STATE_DIRECTORY)));
  ensureDirectory(host.path(STATE_DIRECTORY), 0o755);
  ensureDirectory(host.path(UNDO_DIRECTORY), 0o700);
  const files = changes.map((change, index) => {
    const status = statusOf(host.path(change.path));
    if (status === undefined) return { path: change.path, former: undefined };
    refuseUnlessFile(change.path, status.kind);
    const kept = `${UNDO_DIRECTORY}/${String(index)}`;
    putFile(
      host.path(kept),
      { copyOf: host.path(change.path) },
      { mode: 0o600, uid: 0, gid: 0 },
    );
    const { mode, uid, gid } = status;
    return { path: change.path, former: { kept, mode, uid, gid } };
  });
  const journal = { files, directories };
  putFile(
    host.path(JOURNAL_FILE),
    { text: formatJournal(journal) },
    { mode: 0o600, uid: 0, gid: 0 },
  );
  return journal;
}

/** @throws BootError INSTALL_FAILED */
function refuseUnlessFile(file: string, kind: string): void {
  if (kind === "file") return;
  throw new BootError("INSTALL_FAILED", `${file} is a ${kind}, not a file`, {
    hint: `Move ${file} away first.`,
  });
}

/** The directories that changes need and that are not there yet, outer ones first. */
export function missingDirectories(
  host: Host,
  changes: readonly Change[],
): string[] {
  const missing = new Set<string>();
  for (const { kind, path: file } of changes) {
    if (kind !== "write") continue;
    const own: string[] = [];
    for (
      let directory = path.dirname(file);
      host.files.statusOfTarget(host.path(directory)) === undefined;
      directory = path.dirname(directory)
    ) {
      own.unshift(directory);
    }
    for (const directory of own) missing.add(directory);
  }
  return [...missing];
}

function makeChanges(
  host: Host,
  changes: readonly Change[],
  { directories }: Journal,
): void {
  for (const directory of directories) {
    host.files.ensureDirectory(host.path(directory), 0o755);
  }
  for (const change of changes) {
    if (change.kind === "remove") host.files.removeFile(host.path(change.path));
    if (change.kind !== "write") continue;
    const { content } = change;
    host.files.putFile(
      host.path(change.path),
      "text" in content ? content : { copyOf: host.path(content.copyOf) },
      change,
    );
  }
}

function undo(host: Host, { files, directories }: Journal): void {
  const { putFile, removeFile, removeTemporary, removeUnusedDirectory } =
    host.files;
  for (const { path: file, former } of files.toReversed()) {
    removeTemporary(host.path(file));
    if (former === undefined) removeFile(host.path(file));
    else if (!isAsBefore(host, file, former)) {
      putFile(host.path(file), { copyOf: host.path(former.kept) }, former);
    }
  }
  for (const directory of directories.toReversed()) {
    removeUnusedDirectory(host.path(directory));
  }
  forget(host);
}

/** On a full disk there may be no room to write what is there already. */
function isAsBefore(host: Host, file: string, former: FormerFile): boolean {
  const now = host.files.statusOf(host.path(file));
  return (
    now?.kind === "file" &&
    (["mode", "uid", "gid"] as const).every(
      (key) => now[key] === former[key],
    ) &&
    host.files.hashFile(host.path(file)) ===
      host.files.hashFile(host.path(former.kept))
  );
}

function forget(host: Host): void {
  host.files.removeFile(host.path(JOURNAL_FILE));
  removeUndoDirectory(host);
}

function removeUndoDirectory(host: Host): void {
  const { namesIn, removeFile, removeTemporary, removeUnusedDirectory } =
    host.files;
  removeTemporary(host.path(JOURNAL_FILE));
  for (const name of namesIn(host.path(UNDO_DIRECTORY))) {
    removeFile(host.path(path.join(UNDO_DIRECTORY, name)));
  }
  removeUnusedDirectory(host.path(UNDO_DIRECTORY));
  removeUnusedDirectory(host.path(STATE_DIRECTORY));
}
