import path from "node:path";
import { BootError, isSystemError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { COMMIT_RECORD_FILE } from "./commit-record.ts";
import { JOURNAL_FILE, UNDO_DIRECTORY, type Journal } from "./plan/journal.ts";
import { STATE_DIRECTORY, type FormerFile } from "./plan/manifest.ts";
import { isFull, remedyOf } from "./plan/plan-install.ts";

/**
 * Takes all back that the journal tells of. What cannot be taken back does not keep the rest from it,
 * and the journal stays for another try.
 * @param reason why it is taken back
 * @throws BootError INSTALL_FAILED
 */
export function undo(
  host: Host,
  { files, directories }: Journal,
  reason?: unknown,
): void {
  const { removeFile, removeTemporary, removeUnusedDirectory } = host.files;
  const failures: { file: string; kept: string; error: Error }[] = [];
  const attempt = (file: string, kept: string, work: () => void) => {
    try {
      work();
    } catch (error) {
      if (!isSystemError(error)) throw error;
      failures.push({ file, kept, error });
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
    attempt(file, former.kept, () => {
      bringBack(host, file, former);
    });
  }
  for (const directory of directories.toReversed()) {
    removeUnusedDirectory(host.path(directory));
  }
  const [first] = failures;
  if (first === undefined) {
    forget(host);
    return;
  }
  const { file, kept, error } = first;
  throw new BootError("INSTALL_FAILED", `cannot put back ${file} as it was`, {
    cause: new Error(error.message, { cause: reason }),
    hint: `${kept === "" ? "" : `It is kept as ${kept}. `}${remedyOf(error)} The next dockroot install or uninstall goes on with it.`,
  });
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

/** Whether the former file has room once what stands in its place has gone. */
function isRoomInItsPlace(
  host: Host,
  file: string,
  { kept }: FormerFile,
): boolean {
  const { roomAt, statusOf } = host.files;
  const { freeBytes } = roomAt(path.dirname(host.path(file)));
  const bytesOf = (name: string) => statusOf(host.path(name))?.sizeBytes ?? 0;
  return freeBytes + bytesOf(file) >= bytesOf(kept);
}

/** Nothing is to be taken back, or brought to its end, any more. */
export function forget(host: Host): void {
  for (const file of [JOURNAL_FILE, COMMIT_RECORD_FILE]) {
    host.files.removeFile(host.path(file));
  }
  removeUndoDirectory(host);
}

/** Removes what no journal tells of. */
export function removeUndoDirectory(host: Host): void {
  const { namesIn, removeFile, removeTemporary, removeUnusedDirectory } =
    host.files;
  for (const file of [JOURNAL_FILE, COMMIT_RECORD_FILE]) {
    removeTemporary(host.path(file));
  }
  for (const name of namesIn(host.path(UNDO_DIRECTORY))) {
    removeFile(host.path(path.join(UNDO_DIRECTORY, name)));
  }
  removeUnusedDirectory(host.path(UNDO_DIRECTORY));
  removeUnusedDirectory(host.path(STATE_DIRECTORY));
}
