import fs from "node:fs";
import path from "node:path";

/** Who may do what with a file. */
export interface Attributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * Puts a file in place as a whole: whatever happens, the former one or this one stands there. A
 * link at that name is replaced, never followed.
 * @param content a text, or the file that is copied (sharing its blocks where the filesystem can)
 */
export function putFile(
  file: string,
  content: { readonly text: string } | { readonly copyOf: string },
  { mode, uid, gid }: Attributes,
): void {
  const temporary = temporaryName(file);
  fs.rmSync(temporary, { force: true });
  try {
    // Nobody else reads what is secret before its mode says so.
    fs.writeFileSync(temporary, "", { mode: 0o600, flag: "wx" });
    if ("text" in content) fs.writeFileSync(temporary, content.text);
    else
      fs.copyFileSync(content.copyOf, temporary, fs.constants.COPYFILE_FICLONE);
    const descriptor = fs.openSync(temporary, "r+");
    try {
      fs.fchownSync(descriptor, uid, gid);
      fs.fchmodSync(descriptor, mode);
      fs.fsyncSync(descriptor);
    } finally {
      fs.closeSync(descriptor);
    }
    fs.renameSync(temporary, file);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  }
  syncDirectory(path.dirname(file));
}

/** What an interrupted `putFile` leaves. */
export function removeTemporary(file: string): void {
  fs.rmSync(temporaryName(file), { force: true });
}

/** Removes a file, durably; nothing where it is absent. */
export function removeFile(file: string): void {
  fs.rmSync(file, { force: true });
  const directory = path.dirname(file);
  if (fs.existsSync(directory)) syncDirectory(directory);
}

/** Gives a file that is written already the place of another, both durable. */
export function renameDurably(from: string, to: string): void {
  const descriptor = fs.openSync(from, "r");
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
  fs.renameSync(from, to);
  syncDirectory(path.dirname(to));
}

function temporaryName(file: string): string {
  return `${file}.dockroot-put`;
}

function syncDirectory(directory: string): void {
  const descriptor = fs.openSync(directory, "r");
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}
