import path from "node:path";
import { BootError } from "../../../../runtime/host/errors.ts";
import type { Host } from "../../../../runtime/host/host.ts";
import type { InitPlan, PlannedFile } from "./plan-files.ts";

/** What became of one file. */
export interface WrittenFile {
  readonly path: string;
  readonly result: "made" | "left";
  /** What is in it, or why it was left. */
  readonly about: string;
}

/**
 * Writes the files that are not there yet.
 * @param directory absolute
 * @throws BootError TOPLAYER_UNSUITABLE
 */
export function writeFiles(
  host: Host,
  directory: string,
  { files, accounts }: InitPlan,
): WrittenFile[] {
  requireDirectory(host, directory);
  requireDirectory(host, path.join(directory, "etc"));
  const present = accounts.filter(({ path: file }) =>
    isThere(host, directory, file),
  );
  const written = files.map((file) => writeFile(host, directory, file));
  if (present.length === 0) {
    return [
      ...written,
      ...accounts.map((file) => writeFile(host, directory, file)),
    ];
  }
  const why = `left out: it must fit ${present.map(({ path: file }) => `/${file}`).join(", ")}`;
  return [
    ...written,
    ...accounts.map((file): WrittenFile => {
      const about = present.includes(file) ? IS_THERE : why;
      return { path: `/${file.path}`, result: "left", about };
    }),
  ];
}

const IS_THERE = "it is there already";

function writeFile(
  host: Host,
  directory: string,
  { path: file, about, ...content }: PlannedFile,
): WrittenFile {
  const isMade =
    !isThere(host, directory, file) &&
    host.files.createFile(path.join(directory, file), content);
  return isMade
    ? { path: `/${file}`, result: "made", about }
    : { path: `/${file}`, result: "left", about: IS_THERE };
}

function isThere(host: Host, directory: string, file: string): boolean {
  return host.files.statusOf(path.join(directory, file)) !== undefined;
}

/** A link could lead into the running system. */
function requireDirectory(host: Host, directory: string): void {
  const kind = host.files.statusOf(directory)?.kind;
  if (kind === undefined) host.files.createDirectory(directory);
  else if (kind !== "directory") {
    throw new BootError(
      "TOPLAYER_UNSUITABLE",
      `${directory} is a ${kind}, not a directory`,
      { hint: "Name a directory, or one that is to be made." },
    );
  }
}
