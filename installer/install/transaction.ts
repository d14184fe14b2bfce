import path from "node:path";
import { BootError, isSystemError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { Change } from "./plan/change.ts";
import {
  COMMIT_RECORD_FILE,
  finish,
  readCommitRecord,
  writeCommitRecord,
  withdrawCommitRecord,
  type CommitRecord,
} from "./commit-record.ts";
import {
  formatJournal,
  JOURNAL_FILE,
  UNDO_DIRECTORY,
  type Journal,
  parseJournal,
} from "./plan/journal.ts";
import { STATE_DIRECTORY } from "./plan/manifest.ts";
import { remedyOf } from "./plan/plan-install.ts";
import { forget, removeUndoDirectory, undo } from "./undo.ts";
import { describeFailure, formatFailure } from "../../runtime/base/failure.ts";

/**
 * Makes the changes, then does the work, then what is left to do; where one of them fails, all is as
 * it was before. Where not even that can be done (a power failure, an image that is in its place
 * already), the next call of `resumeInterrupted` does it, or what is left to do.
 * @param work with the changes made
 * @param ending what is done when nothing is to be taken back any more
 * @throws BootError
 */
export async function inTransaction(
  host: Host,
  changes: readonly Change[],
  work: () => Promise<void>,
  commit: CommitRecord,
): Promise<void> {
  let journal: Journal | undefined;
  try {
    journal = keepFormer(host, changes);
    makeChanges(host, changes, journal);
    await work();
    writeCommitRecord(host, commit);
    finish(host, commit);
  } catch (error) {
    if (journal === undefined) removeUndoDirectory(host);
    else if (withdrawCommitRecord(host, commit)) undo(host, journal, error);
    throw asRefusal(error);
  }
  forget(host);
}

/**
 * Takes back what an interrupted install or uninstall has done, or brings it to its end where that was
 * all that it had left to do.
 * @returns which of them; `undefined` where there was nothing
 * @throws BootError
 */
export function resumeInterrupted(
  host: Host,
): "undone" | "finished" | undefined {
  const commit = readCommitRecord(host);
  if (commit !== undefined) {
    finish(host, commit);
    forget(host);
    return "finished";
  }
  const journal = readJournal(host);
  if (journal === undefined) {
    // It was cut off before it began, or after it ended.
    removeUndoDirectory(host);
    return undefined;
  }
  undo(host, journal);
  return "undone";
}

/** Whether `resumeInterrupted` has something to do. */
export function isInterrupted(host: Host): boolean {
  return [JOURNAL_FILE, COMMIT_RECORD_FILE].some(
    (file) => host.files.statusOf(host.path(file)) !== undefined,
  );
}

/** What the system refused, as a failure that somebody can do something about. */
function asRefusal(error: unknown): unknown {
  if (!isSystemError(error)) return error;
  return new BootError(
    "INSTALL_FAILED",
    "cannot write the files: nothing was changed",
    { cause: error, hint: remedyOf(error) },
  );
}

function keepFormer(host: Host, changes: readonly Change[]): Journal {
  const { ensureDirectory, statusOf, writeFile } = host.files;
  host.files.ensureDirectories(host.path(path.dirname(STATE_DIRECTORY)));
  ensureDirectory(host.path(STATE_DIRECTORY), 0o755);
  ensureDirectory(host.path(UNDO_DIRECTORY), 0o700);
  const directories = missingDirectories(host, changes);
  const files = changes.map((change, index) => {
    const status = statusOf(host.path(change.path));
    if (status === undefined) return { path: change.path, former: undefined };
    refuseUnlessFile(change.path, status.kind);
    const kept = `${UNDO_DIRECTORY}/${String(index)}`;
    writeFile(
      host.path(kept),
      { copyOf: host.path(change.path) },
      { mode: 0o600, uid: 0, gid: 0 },
    );
    const { mode, uid, gid } = status;
    return { path: change.path, former: { kept, mode, uid, gid } };
  });
  const journal = { files, directories };
  writeFile(
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
    host.files.createDirectory(host.path(directory));
  }
  for (const change of changes) {
    if (change.kind === "remove") host.files.removeFile(host.path(change.path));
    if (change.kind !== "write") continue;
    const { content } = change;
    host.files.writeFile(
      host.path(change.path),
      "text" in content ? content : { copyOf: host.path(content.copyOf) },
      change,
    );
  }
}

const MAX_JOURNAL_BYTES = 1024 * 1024;

/** `undefined` where nothing was interrupted. @throws BootError FILE_UNREADABLE */
export function readJournal(host: Host): Journal | undefined {
  const text = host.readText(JOURNAL_FILE, MAX_JOURNAL_BYTES);
  if (text === undefined) return undefined;
  try {
    return parseJournal(text);
  } catch (cause) {
    throw new BootError("FILE_UNREADABLE", `cannot read ${JOURNAL_FILE}`, {
      cause,
      hint: `It says how to undo an interrupted installation; its files are in ${UNDO_DIRECTORY}. Remove both to go on as things are.`,
    });
  }
}

/**
 * Does the work; tells at once how it ended where it was interrupted, for the signal ends this process
 * before anybody else can.
 */
export async function tellInterrupted<T>(
  interruption: AbortSignal,
  tell: (text: string) => unknown,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (interruption.aborted) tell(formatFailure(describeFailure(error)));
    throw error;
  }
}
