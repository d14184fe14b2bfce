import path from "node:path";
import { BootError, isSystemError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { statusOfFile } from "./gather-present.ts";
import {
  readJournal,
  removeJournal,
  removeUndoDirectory,
  withdrawCommit,
  writeJournal,
} from "./journal.ts";
import type { Change } from "./plan/change.ts";
import {
  UNDO_DIRECTORY,
  type CommitRecord,
  type UndoRecord,
} from "./plan/journal.ts";
import { STATE_DIRECTORY } from "./plan/manifest.ts";
import { remedyOf } from "./plan/plan-files.ts";
import { undo } from "./undo.ts";

/**
 * Makes the changes, then does the work, then what is left to do; where one of them fails, all is as
 * it was before. Where not even that can be done (a power failure, an image that is in its place
 * already), the next call of `resumeInterrupted` does it, or what is left to do.
 * @param work with the changes made
 * @param commit what is done when nothing is to be taken back any more
 * @throws BootError
 */
export async function inTransaction(
  host: Host,
  changes: readonly Change[],
  work: () => Promise<void>,
  commit: CommitRecord,
): Promise<void> {
  let begun: UndoRecord | undefined;
  try {
    begun = beginJournal(host, changes);
    makeChanges(host, changes, begun);
    await work();
    writeJournal(host, "commit", commit);
    applyCommit(host, commit);
  } catch (error) {
    takeBack(host, begun, commit, error);
    throw asRefusal(error);
  }
  removeJournal(host);
}

/**
 * Takes back what was begun, unless an image is in its place already.
 * @param reason why it is taken back
 * @throws BootError INSTALL_FAILED where it cannot, with the reason as a cause
 */
function takeBack(
  host: Host,
  begun: UndoRecord | undefined,
  commit: CommitRecord,
  reason: unknown,
): void {
  try {
    // Where the journal was written and is not durable, it goes before what it names.
    if (begun === undefined) removeJournal(host);
    else if (withdrawCommit(host, commit)) undo(host, begun, reason);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new BootError("INSTALL_FAILED", "cannot take back what was begun", {
      cause: new Error(error.message, { cause: reason }),
      hint: `${remedyOf(error)} The next dockroot install or uninstall goes on with it.`,
    });
  }
}

/**
 * Takes back what an interrupted install or uninstall has done, or finishes it where its changes were
 * complete.
 * @returns which of them; `undefined` where there was nothing
 * @throws BootError
 */
export function resumeInterrupted(
  host: Host,
): "undone" | "finished" | undefined {
  const journal = readJournal(host);
  if (journal === undefined) {
    // It was cut off before it began, or after it ended.
    removeUndoDirectory(host);
    return undefined;
  }
  if (journal.phase === "undo") {
    undo(host, journal.undo);
    return "undone";
  }
  applyCommit(host, journal.commit);
  removeJournal(host);
  return "finished";
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

/** Keeps what the changes replace, then writes how to put it back. */
function beginJournal(host: Host, changes: readonly Change[]): UndoRecord {
  const { ensureDirectories, ensureDirectory, writeFile } = host.files;
  ensureDirectories(host.path(path.dirname(STATE_DIRECTORY)));
  ensureDirectory(host.path(STATE_DIRECTORY), 0o755);
  ensureDirectory(host.path(UNDO_DIRECTORY), 0o700);
  const directories = missingDirectories(host, changes);
  const files = changes.map(({ path: file }, index) => {
    const status = statusOfFile(host, file);
    if (status === undefined) return { path: file };
    const kept = `${UNDO_DIRECTORY}/${String(index)}`;
    writeFile(
      host.path(kept),
      { copyOf: host.path(file) },
      { mode: 0o600, uid: 0, gid: 0 },
    );
    const { mode, uid, gid } = status;
    return { path: file, former: { kept, mode, uid, gid } };
  });
  const record = { files, directories };
  writeJournal(host, "undo", record);
  return record;
}

/** Does what the commit says, or what is left of it. @throws BootError INSTALL_FAILED */
function applyCommit(host: Host, { images, files, directories }: CommitRecord) {
  const { removeFile, removeUnusedDirectory, renameDurably, statusOf } =
    host.files;
  for (const { from, to } of images) {
    if (statusOf(host.path(from)) === undefined) continue;
    orRefuse(`put ${to} in place`, () => {
      renameDurably(host.path(from), host.path(to));
    });
  }
  for (const file of files) {
    orRefuse(`remove ${file}`, () => {
      removeFile(host.path(file));
    });
  }
  for (const directory of directories) {
    removeUnusedDirectory(host.path(directory));
  }
}

/** @throws BootError INSTALL_FAILED */
function orRefuse(what: string, work: () => void): void {
  try {
    work();
  } catch (cause) {
    if (!isSystemError(cause)) throw cause;
    throw new BootError("INSTALL_FAILED", `cannot ${what}`, {
      cause,
      hint: remedyOf(cause),
    });
  }
}

/** The directories that changes need and that are not there yet, outer ones first. */
export function missingDirectories(
  host: Host,
  changes: readonly Change[],
): string[] {
  const missing = new Set<string>();
  const add = (directory: string) => {
    if (host.files.statusOfTarget(host.path(directory))) return;
    add(path.dirname(directory));
    missing.add(directory);
  };
  for (const { kind, path: file } of changes) {
    if (kind === "write") add(path.dirname(file));
  }
  return [...missing];
}

function makeChanges(
  host: Host,
  changes: readonly Change[],
  { directories }: UndoRecord,
): void {
  for (const directory of directories) {
    host.files.createDirectory(host.path(directory), 0o755);
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

/**
 * Does the work; tells at once how it ended where it was interrupted, for the signal ends this process
 * before anybody else can.
 */
export async function tellInterrupted<T>(
  interruption: AbortSignal,
  tell: (error: unknown) => void,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (interruption.aborted) tell(error);
    throw error;
  }
}
