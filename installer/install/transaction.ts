import path from "node:path";
import { BootError, isSystemError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { missingDirectories, statusOfFile } from "./present-files.ts";
import {
  isInterrupted,
  readRecord,
  removeJournal,
  removeUndoDirectory,
  withdrawCommit,
  writeJournal,
} from "./journal.ts";
import { requireNoGenerator } from "./lock.ts";
import { type Change, remedyOf, isFull } from "./plan/plan-files.ts";
import {
  COMMIT,
  STATE_DIRECTORY,
  UNDO,
  UNDO_DIRECTORY,
  type CommitRecord,
  type FormerFile,
  type UndoRecord,
} from "./plan/records.ts";

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
    writeJournal(host, COMMIT, commit);
    applyCommit(host, commit);
  } catch (error) {
    takeBack(host, begun, commit, error);
    throw asRefusal(error, "cannot write the files: nothing was changed");
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
    throw asUndoRefusal(error, "cannot undo the changes", reason);
  }
}

const RESUMED = {
  undone: "What an interrupted run had done was taken back first.",
  finished: "What an interrupted run had left to do was done first.",
};

/**
 * Brings to an end what an interrupted install or uninstall has left; a dry run only tells of it.
 * @returns what was done, as a sentence; `undefined` where there was nothing
 * @throws BootError, HelperError
 */
export async function resumeFirst(
  host: Host,
  isDry: boolean,
): Promise<string | undefined> {
  if (isDry) {
    return isInterrupted(host)
      ? "A run was interrupted here, which the next one brings to an end first: this is how things are now."
      : undefined;
  }
  await requireNoGenerator(host);
  const resumed = resumeInterrupted(host);
  return resumed && RESUMED[resumed];
}

/**
 * Takes back what an interrupted install or uninstall has done, or finishes it where its changes were
 * complete.
 * @returns which of them; `undefined` where there was nothing
 * @throws BootError
 */
export function resumeInterrupted(
  host: Host,
): keyof typeof RESUMED | undefined {
  const commit = readRecord(host, COMMIT);
  if (commit !== undefined) {
    applyCommit(host, commit);
    removeJournal(host);
    return "finished";
  }
  const begun = readRecord(host, UNDO);
  if (begun !== undefined) {
    undo(host, begun);
    return "undone";
  }
  // It was cut off before it began, or after it ended.
  removeUndoDirectory(host);
  return undefined;
}

/** What the system refused, as a failure that the user can act on. @throws what is none */
function asRefusal(error: unknown, what: string): BootError {
  if (!isSystemError(error)) throw error;
  const hint = remedyOf(error);
  return new BootError("INSTALL_FAILED", what, { cause: error, hint });
}

/**
 * The same for what is taken back.
 * @param reason why it is taken back
 * @param where what is kept where
 */
function asUndoRefusal(
  error: unknown,
  what: string,
  reason: unknown,
  where = "",
): BootError {
  if (!isSystemError(error)) throw error;
  return new BootError("INSTALL_FAILED", what, {
    cause: new Error(error.message, { cause: reason }),
    hint: `${where}${remedyOf(error)} The next dockroot install or uninstall continues it.`,
  });
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
  writeJournal(host, UNDO, record);
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
  } catch (error) {
    throw asRefusal(error, `cannot ${what}`);
  }
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
 * Takes all back that the journal names. What cannot be taken back does not keep the rest from it,
 * and the journal stays for another try.
 * @param reason why it is taken back
 * @throws BootError INSTALL_FAILED
 */
function undo(
  host: Host,
  { files, directories }: UndoRecord,
  reason?: unknown,
): void {
  const { removeFile, removeTemporary, removeUnusedDirectory } = host.files;
  const failures: BootError[] = [];
  const attempt = (file: string, where: string, work: () => void) => {
    try {
      work();
    } catch (error) {
      const what = `cannot restore ${file}`;
      failures.push(asUndoRefusal(error, what, reason, where));
    }
  };
  // First what was not there: that makes room.
  for (const { path: file, former } of files) {
    attempt(file, "", () => {
      removeTemporary(host.path(file));
      if (former === undefined) removeFile(host.path(file));
    });
  }
  for (const { path: file, former } of files.toReversed()) {
    if (former === undefined) continue;
    attempt(file, `Its former content is in ${former.kept}. `, () => {
      bringBack(host, file, former);
    });
  }
  for (const directory of directories.toReversed()) {
    removeUnusedDirectory(host.path(directory));
  }
  const [first] = failures;
  if (first !== undefined) throw first;
  removeJournal(host);
}

function bringBack(host: Host, file: string, former: FormerFile): void {
  const { removeFile, writeFile } = host.files;
  // On a full disk there may be no room to write what is there already.
  if (isAsBefore(host, file, former)) return;
  const put = () => {
    writeFile(host.path(file), { copyOf: host.path(former.kept) }, former);
  };
  try {
    put();
  } catch (error) {
    if (!isFull(error) || !isRoomInItsPlace(host, file, former)) throw error;
    removeFile(host.path(file));
    put();
  }
}

function isAsBefore(
  { files, path: at }: Host,
  file: string,
  { kept, mode, uid, gid }: FormerFile,
): boolean {
  const now = files.statusOf(at(file));
  return (
    now?.kind === "file" &&
    now.mode === mode &&
    now.uid === uid &&
    now.gid === gid &&
    files.hashFile(at(file)) === files.hashFile(at(kept))
  );
}

/** Whether the former file has room once what stands in its place has gone. */
function isRoomInItsPlace(
  { files, path: at }: Host,
  file: string,
  { kept }: FormerFile,
): boolean {
  const bytesOf = (name: string) => files.statusOf(at(name))?.sizeBytes ?? 0;
  const { freeBytes } = files.roomAt(path.dirname(at(file)));
  return freeBytes + bytesOf(file) >= bytesOf(kept);
}
