import path from "node:path";
import { BootError, HelperError } from "../../runtime/base/errors.ts";
import { summarizeFailure } from "../../runtime/base/failure.ts";
import type { Disk } from "../../runtime/disk/disk.ts";
import { followIn } from "../../runtime/host/follow-in.ts";
import type { Host } from "../../runtime/host/host.ts";
import { generationNumbers } from "../../runtime/options/rwlayer-names.ts";
import { cut } from "../text/bar-chart.ts";
import { readKernelPanic } from "./kernel-panic.ts";

const MAX_ERRORS = 5;

/** A message may have lines of its own. */
const MAX_LINES = 10;

const MAX_LINE_CHARACTERS = 300;

const READ_TIMEOUT_MS = 10_000;

/**
 * The last errors of the last boot of a deployment: those in the journal of its root, as far as that is there still
 * (journald has written it, and no subvolume of its own had it), and those with which a kernel has panicked.
 * @returns lines: whatever an image has put there
 * @throws BootError, HelperError, or what the system says, where they cannot be looked for
 */
export async function readLastErrors(
  host: Host,
  disk: Disk,
  n: number,
): Promise<readonly string[]> {
  const panic = readKernelPanic(host)
    .slice(-MAX_ERRORS)
    .map((message) => `kernel: ${message}`);
  return [...(await readJournal(host, disk, n)), ...panic].map((line) =>
    cut(line, MAX_LINE_CHARACTERS),
  );
}

async function readJournal(
  host: Host,
  disk: Disk,
  n: number,
): Promise<readonly string[]> {
  const root = await findLastRoot(disk, n);
  if (root === undefined) return [];
  try {
    const tree = await disk.showRoot(root);
    const journal = followIn(host, tree, "/var/log/journal");
    if (journal === undefined) return [];
    if (host.files.statusOf(journal)?.kind !== "directory") return [];
    const { stdout } = await host.run(
      [
        ...["journalctl", `--directory=${journal}`, "--boot=0"],
        ...["--priority=err", `--lines=${String(MAX_ERRORS)}`],
        ...["--output=short", "--no-hostname", "--no-pager", "--quiet"],
      ],
      { timeoutMs: READ_TIMEOUT_MS },
    );
    const lines = stdout.toString("utf8").split("\n");
    return lines.filter((line) => line !== "").slice(-MAX_LINES);
  } catch (error) {
    // What boots instead is to be told of all the same.
    const isKnown = error instanceof BootError || error instanceof HelperError;
    if (!isKnown) throw error;
    host.log.warn(
      `cannot read the journal of ${root}: ${summarizeFailure(error)}`,
    );
    return [];
  }
}

async function findLastRoot(
  disk: Disk,
  n: number,
): Promise<string | undefined> {
  const { generations } = disk.paths;
  if (!disk.hasDirectory(generations)) return undefined;
  const { state } = disk.tryToReadState();
  for (const number of generationNumbers(disk.generationNames()).toReversed()) {
    const file = path.join(generations, String(number));
    const { record } = await disk.inspect(file, state);
    if (record?.deployment === n) return file;
  }
  return undefined;
}
