import { decodeText } from "../../runtime/base/decode-text.ts";
import { BootError } from "../../runtime/base/errors.ts";
import { followIn, readBytesIn } from "../../runtime/host/follow-in.ts";
import type { Host } from "../../runtime/host/host.ts";

const MAX_LIST_BYTES = 64 * 1024 * 1024;

const RPM_DIRECTORIES = ["usr/lib/sysimage/rpm", "var/lib/rpm"];

/** Of its sqlite, ndb and Berkeley databases. Where there is none, rpm makes one. */
const RPM_DATABASES = ["rpmdb.sqlite", "Packages.db", "Packages"];

/** A tree that may be hostile, and may be read-only. */
export interface Tree {
  readonly host: Host;
  /** Absolute. */
  readonly at: string;
}

/** Where a tree has rpm's database, absolute; `undefined` where it has none. */
export function findRpmDatabase({ host, at }: Tree): string | undefined {
  return RPM_DIRECTORIES.map((name) => followIn(host, at, name)).find(
    (found) =>
      found !== undefined &&
      RPM_DATABASES.some(
        (name) => host.files.statusOf(`${found}/${name}`)?.kind === "file",
      ),
  );
}

export function namesIn({ host, at }: Tree, directory: string): string[] {
  const found = followIn(host, at, directory);
  return found === undefined ? [] : host.files.namesIn(found);
}

/** @returns nothing where there is no such file, or it cannot be read */
export function readText(
  { host, at }: Tree,
  file: string,
  maxBytes = MAX_LIST_BYTES,
): string {
  try {
    return decodeText(readBytesIn(host, at, file, maxBytes) ?? Buffer.alloc(0));
  } catch (error) {
    if (error instanceof BootError && error.code === "FILE_UNREADABLE") {
      return "";
    }
    throw error;
  }
}
