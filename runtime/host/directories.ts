import fs from "node:fs";
import { systemErrorCode } from "../base/errors.ts";
import { statusOf, type FileStatus } from "./file-status.ts";

/** Puts a new directory in the place of an empty one. */
export function replaceEmptyDirectory(
  directory: Buffer,
  { mode, uid, gid }: Pick<FileStatus, "mode" | "uid" | "gid">,
): void {
  fs.rmdirSync(directory);
  fs.mkdirSync(directory, { mode: 0o700 });
  fs.chownSync(directory, uid, gid);
  fs.chmodSync(directory, mode);
}

/**
 * The directories below a tree, each after the one that it is in; symlinks are not followed.
 * @param isEntered whether what is in a directory is looked at; gets its path, relative to the tree, with
 *   one byte a character (latin1)
 */
export function walkDirectories(
  tree: string,
  isEntered: (path: string, status: FileStatus) => boolean,
): void {
  const pending = [""];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const prefix = path === "" ? "" : `${path}/`;
    for (const name of directoriesIn(wholePath(tree, path))) {
      const own = `${prefix}${name.toString("latin1")}`;
      const status = statusOf(wholePath(tree, own));
      if (status !== undefined && isEntered(own, status)) pending.push(own);
    }
  }
}

/** None where the directory has gone meanwhile. */
function directoriesIn(directory: Buffer): Buffer[] {
  try {
    return fs
      .readdirSync(directory, { encoding: "buffer", withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return [];
    throw error;
  }
}

function wholePath(tree: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(`${tree}/`), Buffer.from(path, "latin1")]);
}
