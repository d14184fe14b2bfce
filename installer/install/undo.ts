import path from "node:path";
import { BootError, isSystemError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { removeJournal } from "./journal.ts";
import type { UndoRecord } from "./plan/journal.ts";
import type { FormerFile } from "./plan/manifest.ts";
import { isFull, remedyOf } from "./plan/plan-files.ts";

/**
 * Takes all back that the journal names. What cannot be taken back does not keep the rest from it,
 * and the journal stays for another try.
 * @param reason why it is taken back
 * @throws BootError INSTALL_FAILED
 */
export function undo(
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
      if (!isSystemError(error)) throw error;
      failures.push(
        new BootError("INSTALL_FAILED", `cannot put back ${file} as it was`, {
          cause: new Error(error.message, { cause: reason }),
          hint: `${where}${remedyOf(error)} The next dockroot install or uninstall goes on with it.`,
        }),
      );
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
    attempt(file, `It is kept as ${former.kept}. `, () => {
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
