import { BootError, isSystemError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import {
  formatCommitRecord,
  parseCommitRecord,
  type CommitRecord,
} from "./plan/parse-commit-record.ts";
import { STATE_DIRECTORY } from "./plan/manifest.ts";
import { remedyOf } from "./plan/plan-install.ts";

export type { CommitRecord } from "./plan/parse-commit-record.ts";

/** While there is one, all else is done: what it tells of is to be brought to its end. */
export const COMMIT_RECORD_FILE = `${STATE_DIRECTORY}/ending.json`;

const MAX_BYTES = 1024 * 1024;

/** From here on nothing is taken back any more. */
export function writeCommitRecord(host: Host, commit: CommitRecord): void {
  host.files.writeFile(
    host.path(COMMIT_RECORD_FILE),
    { text: formatCommitRecord(commit) },
    { mode: 0o600, uid: 0, gid: 0 },
  );
}

/**
 * Takes the record back, where there is one.
 * @returns whether all can be taken back: no image is in its place yet
 */
export function withdrawCommitRecord(
  host: Host,
  { images }: CommitRecord,
): boolean {
  const isThere = (file: string) =>
    host.files.statusOf(host.path(file)) !== undefined;
  if (!isThere(COMMIT_RECORD_FILE)) return true;
  if (!images.every(({ from }) => isThere(from))) return false;
  host.files.removeFile(host.path(COMMIT_RECORD_FILE));
  return true;
}

/** `undefined` where nothing waits for its end. @throws BootError FILE_UNREADABLE */
export function readCommitRecord(host: Host): CommitRecord | undefined {
  const text = host.readText(COMMIT_RECORD_FILE, MAX_BYTES);
  if (text === undefined) return undefined;
  try {
    return parseCommitRecord(text);
  } catch (cause) {
    throw new BootError(
      "FILE_UNREADABLE",
      `cannot read ${COMMIT_RECORD_FILE}`,
      {
        cause,
        hint: "It says which images an interrupted run was to put in place, and which files to remove. Do so, then remove it.",
      },
    );
  }
}

/** Does it, or what is left of it. @throws BootError INSTALL_FAILED */
export function finish(
  host: Host,
  { images, files, directories }: CommitRecord,
): void {
  const { removeFile, removeUnusedDirectory, renameDurably, statusOf } =
    host.files;
  for (const { from, to } of images) {
    if (statusOf(host.path(from)) === undefined) continue;
    refusedAs(`put ${to} in place`, () => {
      renameDurably(host.path(from), host.path(to));
    });
  }
  for (const file of files) {
    refusedAs(`remove ${file}`, () => {
      removeFile(host.path(file));
    });
  }
  for (const directory of directories) {
    removeUnusedDirectory(host.path(directory));
  }
}

/** @throws BootError INSTALL_FAILED */
function refusedAs(what: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new BootError("INSTALL_FAILED", `cannot ${what}`, {
      cause: error,
      hint: remedyOf(error),
    });
  }
}
