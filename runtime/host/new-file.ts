import fs from "node:fs";
import path from "node:path";
import { systemErrorCode } from "../base/errors.ts";

export interface NewFile {
  readonly content: string;
  readonly mode: number;
  /** The group; the owner is who runs this. */
  readonly gid: number;
}

/**
 * Makes a file where nothing stands: whole, with its mode and group, and durable, or not at all. It
 * is written under a temporary name, for nobody else to read.
 * @returns whether it was made: not where something, a link to nowhere included, has the name
 */
export function createFile(
  file: string,
  { content, mode, gid }: NewFile,
): boolean {
  const temporary = `${file}.dockroot-new`;
  // What an interruption left.
  fs.rmSync(temporary, { force: true });
  if (fs.lstatSync(file, { throwIfNoEntry: false }) !== undefined) return false;
  const descriptor = fs.openSync(temporary, "wx", 0o600);
  try {
    fs.writeFileSync(descriptor, content);
    if (gid !== 0)
      tolerateNoOwners(() => {
        fs.fchownSync(descriptor, 0, gid);
      });
    tolerateNoOwners(() => {
      fs.fchmodSync(descriptor, mode);
    });
    fs.fsyncSync(descriptor);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  } finally {
    fs.closeSync(descriptor);
  }
  const isMade = nameAnew(temporary, file);
  const directory = fs.openSync(path.dirname(file), "r");
  try {
    fs.fsyncSync(directory);
  } finally {
    fs.closeSync(directory);
  }
  return isMade;
}

/** A hard link never replaces anything, and a rename does. */
function nameAnew(temporary: string, file: string): boolean {
  try {
    fs.linkSync(temporary, file);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === "EEXIST") return false;
    // vfat and exfat have no hard links.
    if (code !== "EPERM" && code !== "EOPNOTSUPP") throw error;
    if (fs.lstatSync(file, { throwIfNoEntry: false }) !== undefined) {
      return false;
    }
    fs.renameSync(temporary, file);
    return true;
  } finally {
    fs.rmSync(temporary, { force: true });
  }
  return true;
}

/** vfat and its like refuse owners and modes that they cannot keep. */
function tolerateNoOwners(change: () => void): void {
  try {
    change();
  } catch (error) {
    if (systemErrorCode(error) !== "EPERM") throw error;
  }
}

/** Makes a directory that everybody may enter; what is above it must exist. */
export function createDirectory(directory: string): void {
  fs.mkdirSync(directory);
  fs.chmodSync(directory, 0o755);
}
