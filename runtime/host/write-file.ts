import fs from "node:fs";
import path from "node:path";
import { isSystemError, systemErrorCode } from "../base/errors.ts";
import { statusOf } from "./file-status.ts";

/** A text, or the file that is copied (sharing its blocks where the filesystem can). */
export type NewContent =
  { readonly text: string | Buffer } | { readonly copyOf: string };

export interface WriteOptions {
  readonly mode: number;
  /** Default: whoever runs this. */
  readonly uid?: number;
  readonly gid?: number;
  /** Whether owner and mode may stay what they are on a filesystem that has none, as vfat. */
  readonly isOwnerOptional?: boolean;
  /** Whether something that has the name, a link to nowhere included, is left as it is. */
  readonly mustNotExist?: boolean;
  /**
   * What is durable when the call returns. `name`, the default: content and name. `content`: after a
   * crash the name has the former content or all of this one. `nothing`: both come with the next sync
   * of the filesystem.
   */
  readonly durable?: "name" | "content" | "nothing";
}

/** As in earlier versions: each removes what another left. No image in the making has such a name. */
const TEMPORARY = ".dockroot-put";

/** What earlier versions called the temporary file of one that must not exist. */
const FORMER_TEMPORARY = ".dockroot-new";

/**
 * Writes a file as a whole: whatever happens, the former one or this one stands there. It is written
 * under a temporary name, for nobody else to read. A link at either name is replaced, never followed.
 * @returns whether it was written: not where it must not exist and something has the name
 */
export function writeFile(
  file: string,
  content: NewContent,
  options: WriteOptions,
): boolean {
  const { mustNotExist = false, durable = "name" } = options;
  removeTemporary(file);
  if (mustNotExist) fs.rmSync(`${file}${FORMER_TEMPORARY}`, { force: true });
  if (mustNotExist && statusOf(file) !== undefined) return false;
  const temporary = `${file}${TEMPORARY}`;
  let isWritten = true;
  try {
    writeTemporary(temporary, content, options);
    if (mustNotExist) isWritten = nameAnew(temporary, file);
    else if (durable === "name") replaceDurably(temporary, file);
    else fs.renameSync(temporary, file);
  } catch (error) {
    discard(temporary);
    throw error;
  }
  if (mustNotExist && durable === "name") sync(path.dirname(file));
  return isWritten;
}

/**
 * Writes one of dockroot's own state files. On btrfs its content is durable where anything is that
 * was written later, which is in the same commit or in a later one.
 */
export function replaceFile(file: string, text: string, mode: number): void {
  // Left by an interrupted earlier dockroot. Elsewhere such a name may be somebody else's.
  fs.rmSync(`${file}.new`, { force: true });
  writeFile(file, { text }, { mode, durable: "content" });
}

function writeTemporary(
  temporary: string,
  content: NewContent,
  { mode, uid, gid, isOwnerOptional = false, durable }: WriteOptions,
): void {
  const descriptor = fs.openSync(temporary, "wx", 0o600);
  const attempt = (change: () => void) => {
    try {
      change();
    } catch (error) {
      if (!isOwnerOptional || systemErrorCode(error) !== "EPERM") throw error;
    }
  };
  try {
    if ("text" in content) fs.writeFileSync(descriptor, content.text);
    else {
      const { COPYFILE_FICLONE } = fs.constants;
      fs.copyFileSync(content.copyOf, temporary, COPYFILE_FICLONE);
    }
    if (uid !== undefined && gid !== undefined) {
      attempt(() => {
        fs.fchownSync(descriptor, uid, gid);
      });
    }
    attempt(() => {
      fs.fchmodSync(descriptor, mode);
    });
    if (durable !== "nothing") fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

/** A hard link never replaces anything, and a rename does. */
function nameAnew(temporary: string, file: string): boolean {
  try {
    fs.linkSync(temporary, file);
    return true;
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === "EEXIST") return false;
    // vfat and exfat have no hard links.
    if (code !== "EPERM" && code !== "EOPNOTSUPP") throw error;
    if (statusOf(file) !== undefined) return false;
    fs.renameSync(temporary, file);
    return true;
  } finally {
    fs.rmSync(temporary, { force: true });
  }
}

/**
 * On vfat the name leads to the former content until the file that has it now is written back, and the room of that
 * content is free once nobody has it open: when the power fails in between, the file is lost.
 */
function replaceDurably(temporary: string, file: string): void {
  const isFile = statusOf(file)?.kind === "file";
  const former = isFile ? fs.openSync(file, "r") : undefined;
  try {
    fs.renameSync(temporary, file);
    sync(path.dirname(file));
    sync(file);
  } finally {
    if (former !== undefined) fs.closeSync(former);
  }
}

/** Removes what an interrupted `writeFile` has left. */
export function removeTemporary(file: string): void {
  fs.rmSync(`${file}${TEMPORARY}`, { force: true });
}

/** Removes a file, durably; nothing where it is absent. */
export function removeFile(file: string): void {
  fs.rmSync(file, { force: true });
  const directory = path.dirname(file);
  if (fs.existsSync(directory)) sync(directory);
}

/** Gives a file that is written already the place of another, both durable. */
export function renameDurably(from: string, to: string): void {
  sync(from);
  fs.renameSync(from, to);
  sync(path.dirname(to));
}

function sync(file: string): void {
  const descriptor = fs.openSync(file, "r");
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

/** What cannot be removed must not hide why it was to be. */
function discard(temporary: string): void {
  try {
    fs.rmSync(temporary, { force: true });
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}
