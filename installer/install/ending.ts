import { BootError, isSystemError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { formatEnding, parseEnding, type Ending } from "./plan/parse-ending.ts";
import { STATE_DIRECTORY } from "./plan/manifest.ts";
import { remedyOf } from "./plan/plan-install.ts";

export type { Ending } from "./plan/parse-ending.ts";

/** While there is one, all else is done: what it tells of is to be brought to its end. */
export const ENDING_FILE = `${STATE_DIRECTORY}/ending.json`;

const MAX_BYTES = 1024 * 1024;

/** From here on nothing is taken back any more. */
export function recordEnding(host: Host, ending: Ending): void {
  host.files.putFile(
    host.path(ENDING_FILE),
    { text: formatEnding(ending) },
    { mode: 0o600, uid: 0, gid: 0 },
  );
}

/**
 * Takes the record back, where there is one.
 * @returns whether all can be taken back: no image is in its place yet
 */
export function withdrawEnding(host: Host, { images }: Ending): boolean {
  const isThere = (file: string) =>
    host.files.statusOf(host.path(file)) !== undefined;
  if (!isThere(ENDING_FILE)) return true;
  if (!images.every(({ from }) => isThere(from))) return false;
  host.files.removeFile(host.path(ENDING_FILE));
  return true;
}

/** `undefined` where nothing waits for its end. @throws BootError FILE_UNREADABLE */
export function readEnding(host: Host): Ending | undefined {
  const text = host.readText(ENDING_FILE, MAX_BYTES);
  if (text === undefined) return undefined;
  try {
    return parseEnding(text);
  } catch (cause) {
    throw new BootError("FILE_UNREADABLE", `cannot read ${ENDING_FILE}`, {
      cause,
      hint: "It says which images an interrupted run was to put in place, and which files to remove. Do so, then remove it.",
    });
  }
}

/** Does it, or what is left of it. @throws BootError INSTALL_FAILED */
export function finish(
  host: Host,
  { images, files, directories }: Ending,
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
