import path from "node:path";
import { BootError, isSystemError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { InitPlan, PlannedFile } from "./plan/plan-files.ts";

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
 * @throws BootError TOPLAYER_UNSUITABLE, STEP_FAILED
 */
export function writeFiles(
  host: Host,
  directory: string,
  plan: InitPlan,
): WrittenFile[] {
  try {
    requireDirectory(host, directory);
    requireDirectory(host, path.join(directory, "etc"));
    return writePlan(host, directory, plan);
  } catch (cause) {
    if (!isSystemError(cause)) throw cause;
    throw new BootError(
      "STEP_FAILED",
      `cannot write the top layer ${directory}`,
      { cause, hint: "Put that right, and run it again: what is made stays." },
    );
  }
}

function writePlan(
  host: Host,
  directory: string,
  { files, accounts }: InitPlan,
): WrittenFile[] {
  const present = accounts.filter(({ path: file }) =>
    isThere(host, directory, file),
  );
  const written = files.map((file) => writeFile(host, directory, file));
  // Those of a former run that was interrupted fit.
  if (present.every((file) => isAsPlanned(host, directory, file))) {
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
  { path: file, about, content, mode, gid }: PlannedFile,
): WrittenFile {
  const isMade = host.files.writeFile(
    path.join(directory, file),
    { text: content },
    { mode, uid: 0, gid, isOwnerOptional: true, mustNotExist: true },
  );
  return isMade
    ? { path: `/${file}`, result: "made", about }
    : { path: `/${file}`, result: "left", about: IS_THERE };
}

function isThere(host: Host, directory: string, file: string): boolean {
  return host.files.statusOf(path.join(directory, file)) !== undefined;
}

function isAsPlanned(
  host: Host,
  directory: string,
  { path: file, content }: PlannedFile,
): boolean {
  const whole = path.join(directory, file);
  if (host.files.statusOf(whole)?.kind !== "file") return false;
  const planned = Buffer.from(content);
  const start = host.files.readStart(whole, planned.length);
  return start?.isWhole === true && start.bytes.equals(planned);
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
