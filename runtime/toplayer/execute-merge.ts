import path from "node:path";
import { BootError, HelperError, PrivateError } from "../base/errors.ts";
import { isSameOrBelow } from "../base/is-below.ts";
import { listNames } from "../base/shorten.ts";
import { readBytesIn } from "../host/follow-in.ts";
import type { Host } from "../host/host.ts";
import { bytesOf, pathIn, showPath } from "../tree/layer.ts";
import type {
  DirectoryPair,
  MergeAction,
  MergePlan,
} from "../tree/merge-plan.ts";
import { readingGroup } from "../tree/safe-mode.ts";
import { withDirectoriesShown } from "../disk/mount-stack.ts";

/** Where the actions of a plan work. Absolute paths. */
interface MergePlaces {
  /** The tree that layers are laid over. */
  readonly tree: string;
  /** Where to mount what copying attributes takes. */
  readonly scratch: string;
  /** A directory: what is below it can share its data with the tree, but for NOCOW files. */
  readonly sharing: string | undefined;
}

interface MergeRun extends MergePlaces {
  readonly host: Host;
  readonly progress: CopyProgress;
  /** The files of layers that are NOCOW, as people read them. */
  readonly unshared: string[];
}

/**
 * Lays layers over a tree as it was planned.
 * @param tellProgress gets what tells how far it is
 * @returns warnings, which name files that not everybody may see
 * @throws PrivateError
 */
export async function executeMerge(
  host: Host,
  { actions }: MergePlan,
  places: MergePlaces,
  tellProgress: (describe: () => string) => void,
): Promise<string[]> {
  const layers = new Set(
    actions.flatMap((action) => ("layer" in action ? [action.layer] : [])),
  );
  const total = [...layers].reduce((sum, layer) => sum + layer.entryCount, 0);
  const progress = createCopyProgress(host, total);
  tellProgress(progress.describe);
  const run: MergeRun = { ...places, host, progress, unshared: [] };
  for (const action of actions) {
    try {
      await applyAction(run, action);
    } catch (cause) {
      throw new PrivateError(explainRefusal(run, action, cause));
    }
  }
  if (run.unshared.length === 0) return [];
  return [
    `the top layer has NOCOW files (chattr +C), whose copies are not: ${listNames(run.unshared)}`,
  ];
}

/**
 * Says which file refuses changes to root, where one does: a copy of a root has the attributes that
 * chattr(1) gave to files there.
 */
function explainRefusal(
  { host, tree }: MergeRun,
  action: MergeAction,
  cause: unknown,
): unknown {
  if (!(cause instanceof Error)) return cause;
  if (!/Operation not permitted|EPERM/.test(cause.message)) return cause;
  const named = Array.from(
    cause.message.matchAll(/(['"])(\/.*?)\1/g),
    ([, , file = ""]) => path.normalize(file),
  );
  // cp names other paths of these.
  const shown =
    action.kind === "copyAttributes"
      ? action.directories.map(({ to }) => bytesOf(tree, to).toString())
      : [];
  for (const file of [...named, ...shown]) {
    if (!isSameOrBelow(file, tree)) continue;
    for (const at of withNeighbours(host, tree, file)) {
      const attribute = host.files.lockingAttribute(at);
      if (attribute === undefined) continue;
      const name = showPath(at.subarray(tree.length + 1).toString("latin1"));
      return new BootError("STEP_FAILED", `${name} is ${attribute}`, {
        cause,
        hint: `Run chattr -i -a on it where it was copied from, the present root or the image: lsattr -d shows the attributes.`,
      });
    }
  }
  return cause;
}

/** The directory that a file is in, itself, and all that is in it. */
function* withNeighbours(
  host: Host,
  tree: string,
  file: string,
): Generator<Buffer> {
  if (file !== tree) yield Buffer.from(path.dirname(file));
  yield Buffer.from(file);
  if (host.files.statusOf(file)?.kind !== "directory") return;
  for (const { path: directory, entries } of host.files.walkTree(file)) {
    for (const { name } of entries)
      yield bytesOf(file, pathIn(directory, name));
  }
}

async function applyAction(run: MergeRun, action: MergeAction): Promise<void> {
  const { files } = run.host;
  const inTree = (file: string) => bytesOf(run.tree, file);
  switch (action.kind) {
    case "fillGap":
      files.replaceEmptyDirectory(inTree(action.gap.path), action.gap);
      return;
    case "remove":
      files.removeTree(inTree(action.path));
      return;
    case "empty":
      files.emptyDirectory(inTree(action.path));
      return;
    case "clearSpecialBits":
      files.clearSpecialBits(inTree(action.path));
      return;
    case "makeDirectory":
      files.createDirectory(inTree(action.path), 0o700);
      return;
    case "copy":
      await runCopy(run, action, [
        `--target-directory=${inTree(action.to).toString()}`,
        "--",
        ...action.names.map((name) => Buffer.from(name, "latin1").toString()),
      ]);
      return;
    case "copyDirectory": {
      const to = inTree(action.to).toString();
      const args = ["--no-target-directory", "--", ".", to];
      await runCopy(run, action, args);
      return;
    }
    case "link":
      files.replaceByLink(inTree(action.existing), inTree(action.path));
      return;
    case "copyAttributes": {
      const { layer, directories } = action;
      const pairs = directories.map(({ from, to }) => ({
        from: bytesOf(layer.at, from).toString(),
        to: inTree(to).toString(),
      }));
      await copyAttributes(run, pairs);
      return;
    }
    case "giveToRoot":
      for (const { path: file, mode } of action.modes) {
        const gid = findReadingGroup(run, file);
        const bits = gid === undefined ? mode : mode | 0o040;
        files.giveToRoot(inTree(file), bits, gid ?? 0);
      }
      return;
    default:
      return action satisfies never;
  }
}

/** What cp says of a file whose data cannot be shared with a new one: it is NOCOW, and the other is not. */
const UNSHARED = /failed to clone .*? from '(.*?)': Invalid argument/g;

const MAX_GROUP_BYTES = 1024 * 1024;

/** The number of the group that has to read a file, where the new root has that group for a service. */
function findReadingGroup(
  { host, tree }: MergeRun,
  file: string,
): number | undefined {
  const group = readingGroup(file);
  if (group === undefined) return undefined;
  try {
    const text = readBytesIn(host, tree, "etc/group", MAX_GROUP_BYTES);
    const found = new RegExp(`^${group}:[^:]*:(\\d{1,3}):`, "m");
    const number = found.exec(text?.toString() ?? "")?.[1];
    return number === undefined ? undefined : Number(number);
  } catch (error) {
    // It is no file that can be read: then nobody but root reads it.
    if (error instanceof BootError) return undefined;
    throw error;
  }
}

/**
 * Owners, modes, times, hard links, xattrs, ACLs and special files as they are, data shared where both
 * are on one filesystem. What a file or a symlink replaces is removed first, so that nothing is ever
 * written through a symlink.
 *
 * Where data can be shared, cp must do so: what it refuses then is NOCOW, which nothing else tells
 * (Node has no ioctl). All is copied again where it has failed.
 */
async function runCopy(
  { host, progress, sharing, unshared }: MergeRun,
  {
    layer: { at, isOwnerless },
    from,
  }: Extract<MergeAction, { kind: "copy" | "copyDirectory" }>,
  args: readonly string[],
): Promise<void> {
  const kept = isOwnerless ? ["--no-preserve=mode,ownership"] : [];
  const directory = bytesOf(at, from).toString();
  const copy = (reflink: "always" | "auto") =>
    host.run(
      [
        "cp",
        "--archive",
        `--reflink=${reflink}`,
        "--remove-destination",
        ...kept,
        "--verbose",
        ...args,
      ],
      {
        directory,
        onStart: progress.startCall,
        onOutput: progress.count,
      },
    );
  if (sharing !== undefined && isSameOrBelow(at, sharing)) {
    try {
      await copy("always");
      return;
    } catch (error) {
      if (!(error instanceof HelperError) || error.kind !== "exit") throw error;
      for (const [, file = ""] of error.message.matchAll(UNSHARED)) {
        unshared.push(path.join(showPath(from), file));
      }
    }
  }
  await copy("auto");
}

/** The more mounts there are, the longer each mount and unmount takes. */
const PAIRS_PER_SHOW = 50;

/**
 * Copies owners, modes, times, ACLs and other xattrs of directories alone. cp does that for a
 * directory that lies on another filesystem than the one above it, told to stay on one filesystem:
 * so each is shown to it in a tmpfs.
 * @param pairs absolute paths
 * @throws HelperError, BootError MOUNT_FAILED
 */
export async function copyAttributes(
  { host, scratch }: Pick<MergeRun, "host" | "scratch">,
  pairs: readonly DirectoryPair[],
): Promise<void> {
  for (let start = 0; start < pairs.length; start += PAIRS_PER_SHOW) {
    const shown = pairs
      .slice(start, start + PAIRS_PER_SHOW)
      .flatMap(({ from, to }, index) => [
        [`from/${String(index)}`, from] as const,
        [`to/${String(index)}`, to] as const,
      ]);
    await withDirectoriesShown(host, scratch, shown, async () => {
      await host.run([
        "cp",
        "--archive",
        "--one-file-system",
        "--no-target-directory",
        "--",
        path.join(scratch, "from"),
        path.join(scratch, "to"),
      ]);
    });
  }
}

const NEWLINE = "\n".charCodeAt(0);

/** Begins the lines that tell what made room: `removed '...'`. */
const REMOVED = "r".charCodeAt(0);

const MAX_IO_BYTES = 4096;

/** How far calls of cp have come that name what they copy (`--verbose`). */
interface CopyProgress {
  /** Takes what they print. */
  readonly count: (output: Buffer) => void;
  readonly startCall: (processId: number) => void;
  readonly describe: () => string;
}

/** @param total how many entries there are to copy */
export function createCopyProgress(host: Host, total: number): CopyProgress {
  let copied = 0;
  let isLineStart = true;
  let bytesOfFormerCalls = 0;
  let bytesOfCall = 0;
  let processId: number | undefined;
  return {
    count: (output) => {
      for (let start = 0; start < output.length;) {
        if (isLineStart && output[start] !== REMOVED) copied += 1;
        const end = output.indexOf(NEWLINE, start);
        isLineStart = end !== -1;
        start = isLineStart ? end + 1 : output.length;
      }
    },
    startCall: (started) => {
      bytesOfFormerCalls += bytesOfCall;
      bytesOfCall = 0;
      processId = started;
    },
    describe: () => {
      if (processId !== undefined) {
        bytesOfCall = Math.max(bytesOfCall, readWritten(host, processId));
      }
      const megabytes = Math.round((bytesOfFormerCalls + bytesOfCall) / 1e6);
      return `${String(Math.min(copied, total))} of ${String(total)} entries, ${String(megabytes)} MB written`;
    },
  };
}

/** What a process has written, see proc_pid_io(5); 0 where the kernel does not count that, or it has ended. */
function readWritten(host: Host, processId: number): number {
  const file = `/proc/${String(processId)}/io`;
  const [, bytes = "0"] =
    /^wchar: (\d+)$/m.exec(host.readText(file, MAX_IO_BYTES) ?? "") ?? [];
  return Number(bytes);
}
