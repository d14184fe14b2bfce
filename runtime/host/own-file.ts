import fs from "node:fs";
import { BootError, systemErrorCode } from "../base/errors.ts";
import { readToEnd, refuseUnreadable } from "./readable-file.ts";

// Files of which root alone may say what is in them.

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } =
  fs.constants;

/**
 * As `readText`, but a symlink is not followed, and the file must be root's.
 * @throws BootError FILE_FOREIGN, FILE_UNREADABLE
 */
export function readOwnText(
  file: string,
  maxBytes: number,
): string | undefined {
  let descriptor: number;
  try {
    descriptor = fs.openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (cause) {
    const code = systemErrorCode(cause);
    if (code === "ENOENT") return undefined;
    if (code === "ELOOP") throw foreign(file, "a symlink");
    throw new BootError("FILE_UNREADABLE", `cannot read ${file}`, {
      cause,
      hint: "The kernel log may say more: dmesg | tail.",
    });
  }
  try {
    const stats = fs.fstatSync(descriptor);
    if (stats.uid !== 0) throw foreign(file, `user ${String(stats.uid)}'s`);
    refuseUnreadable(file, stats, maxBytes);
    return readToEnd(file, descriptor, stats.size, maxBytes).toString("utf8");
  } finally {
    fs.closeSync(descriptor);
  }
}

/**
 * Appends to a file that root alone may read, made where it is absent. A symlink is not followed, nor
 * is a FIFO waited for.
 */
export function appendOwnText(file: string, text: string): void {
  const flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
  const descriptor = fs.openSync(file, flags, 0o600);
  try {
    fs.writeFileSync(descriptor, text);
  } finally {
    fs.closeSync(descriptor);
  }
}

function foreign(file: string, whose: string): BootError {
  return new BootError("FILE_FOREIGN", `${file} is ${whose}, not root's`, {
    hint: `See who put it there, and remove ${file}.`,
  });
}
