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
      {
        cause,
        hint: "Correct that, then run it again: files that were made stay.",
      },
    );
  }
}

function writePlan(
  host: Host,
  directory: string,
  { files, accounts }: InitPlan,
): WrittenFile[] {
  const at = (file: PlannedFile) => path.join(directory, file.path);
  const present = accounts.filter(
    (file) => host.files.statusOf(at(file)) !== undefined,
  );
  // Those of a former run that was interrupted fit.
  const misfits = present.every((file) => hasText(host, at(file), file.content))
    ? []
    : accounts.filter((file) => !present.includes(file));
  const misfit = `left out: it must fit ${present.map((file) => `/${file.path}`).join(", ")}`;
  return [...files, ...accounts].map((file): WrittenFile => {
    const tell = (result: WrittenFile["result"], about: string) => ({
      path: `/${file.path}`,
      result,
      about,
    });
    if (misfits.includes(file)) return tell("left", misfit);
    const { content: text, mode, gid, about } = file;
    const isMade = host.files.writeFile(
      at(file),
      { text },
      { mode, uid: 0, gid, isOwnerOptional: true, mustNotExist: true },
    );
    return isMade ? tell("made", about) : tell("left", "it is there already");
  });
}

function hasText(host: Host, file: string, text: string): boolean {
  if (host.files.statusOf(file)?.kind !== "file") return false;
  const planned = Buffer.from(text);
  const start = host.files.readStart(file, planned.length);
  return start?.isWhole === true && start.bytes.equals(planned);
}

/** A link could lead into the running system. */
function requireDirectory(host: Host, directory: string): void {
  const kind = host.files.statusOf(directory)?.kind;
  if (kind === undefined) host.files.createDirectory(directory, 0o755);
  else if (kind !== "directory") {
    throw new BootError(
      "TOPLAYER_UNSUITABLE",
      `${directory} is a ${kind}, not a directory`,
      { hint: "Name a directory, or a path at which one can be made." },
    );
  }
}
