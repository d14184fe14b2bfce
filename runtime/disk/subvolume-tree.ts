import path from "node:path";
import { isSubvolume, setReadOnly, snapshotSubvolume } from "./btrfs.ts";
import { BootError, HelperError } from "../base/errors.ts";
import type { Host } from "../host/host.ts";
import { listSubvolumes, type SubvolumeList } from "./subvolume-list.ts";

/**
 * Deletes the subvolume at `file` with those nested in it, read-only ones too, and no others.
 * @param topLevel where the filesystem's top level is mounted
 * @param file relative to the top level
 * @returns the numbers of those deleted
 * @throws HelperError, BootError
 */
export async function deleteSubvolumeTree(
  host: Host,
  topLevel: string,
  file: string,
): Promise<number[]> {
  const target = path.join(topLevel, file);
  if (!isSubvolume(host, target)) {
    throw new BootError("STEP_FAILED", `${target} is no subvolume`);
  }
  const list = await listSubvolumes(host, topLevel);
  const tree = await findTree(host, topLevel, file, list);
  return deleteFoundTree(host, topLevel, tree);
}

/**
 * As `deleteSubvolumeTree`, of what `findTree` has found.
 * @param isLate asked before each deletion: once it is, the rest stays
 * @throws HelperError, BootError
 */
export async function deleteFoundTree(
  host: Host,
  topLevel: string,
  { file, id, nested }: SubvolumeTree,
  isLate = never,
): Promise<number[]> {
  const parents = [
    Buffer.from(file),
    ...nested.map((child) => child.path),
  ].filter((parent) => nested.some((child) => isBelow(child.path, parent)));
  for (const parent of parents) {
    await makeWritable(host, below(topLevel, parent));
  }
  const ids = [...nested.map((child) => child.id), id];
  for (const each of ids) {
    refuseLate(isLate);
    await deleteById(host, topLevel, each);
  }
  return ids;
}

const never = () => false;

function refuseLate(isLate: () => boolean): void {
  if (!isLate()) return;
  throw new BootError(
    "STEP_FAILED",
    "it has many subvolumes in it: what is left is for the next start",
  );
}

/**
 * Puts what a snapshot leaves out into it: of each nested subvolume a snapshot of its own, read-only
 * where that is.
 * @param from relative to the top level, as `to`, its snapshot
 * @throws HelperError, BootError
 */
export async function snapshotNested(
  host: Host,
  topLevel: string,
  from: string,
  to: string,
): Promise<void> {
  const list = await listSubvolumes(host, topLevel);
  const { nested } = await findTree(host, topLevel, from, list);
  const readOnly: string[] = [];
  for (const child of nested.toReversed()) {
    const name = child.path.toString("utf8");
    if (name.includes("\uFFFD")) {
      throw new BootError(
        "STEP_FAILED",
        `the nested subvolume ${name} has a name that is not valid UTF-8`,
        { hint: "Rename it in the running system." },
      );
    }
    const source = path.join(topLevel, name);
    const target = path.join(topLevel, to, name.slice(from.length));
    // What a snapshot has in the nested one's place.
    host.files.removeUnusedDirectory(target);
    await snapshotSubvolume(host, source, target);
    if (host.files.isReadOnly(source)) readOnly.push(target);
  }
  for (const target of readOnly) await setReadOnly(host, target, true);
}

export interface NestedSubvolume {
  readonly id: number;
  /** Relative to the top level. */
  readonly path: Buffer;
}

/** A subvolume with those nested in it. */
export interface SubvolumeTree {
  /** Relative to the top level. */
  readonly file: string;
  readonly id: number;
  /** Each before its parent. */
  readonly nested: readonly NestedSubvolume[];
}

/**
 * Finds what is nested in the subvolume at `file`, relative to the top level.
 * @param list of all subvolumes; one that has come since is missed, and its parent cannot be deleted
 * @param isLate asked before each helper: once it is, this fails
 * @throws HelperError, BootError
 */
export async function findTree(
  host: Host,
  topLevel: string,
  file: string,
  list: SubvolumeList,
  isLate = never,
): Promise<SubvolumeTree> {
  const target = path.join(topLevel, file);
  const id = Number(
    await printed(host, ["btrfs", "inspect-internal", "rootid", target]),
  );
  if (!list.has(id)) {
    throw new BootError(
      "STEP_FAILED",
      `the list that btrfs printed lacks the subvolume ${file} itself`,
      {
        hint: "See what program that is: command -v btrfs; btrfs --version.",
      },
    );
  }
  const nested: NestedSubvolume[] = [];
  for (const candidate of list.mayBeNestedIn(id)) {
    const found =
      listedPath(host, topLevel, list, candidate) ??
      (await resolveSubvolumeId(host, topLevel, candidate, isLate));
    if (found !== undefined && isBelow(found, Buffer.from(file))) {
      nested.push({ id: candidate, path: found });
    }
  }
  // A child's path is longer.
  nested.sort((a, b) => b.path.length - a.path.length);
  return { file, id, nested };
}

/** `undefined` where the list leaves it open. */
function listedPath(
  host: Host,
  topLevel: string,
  list: SubvolumeList,
  id: number,
): Buffer | undefined {
  const line = list.ofId(id);
  if (line === undefined) return undefined;
  const file = Buffer.from(line.path, "latin1");
  return isSubvolume(host, below(topLevel, file)) ? file : undefined;
}

function below(topLevel: string, file: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${topLevel}/`), file]);
}

function isBelow(file: Buffer, ancestor: Buffer): boolean {
  const prefix = Buffer.concat([ancestor, Buffer.from("/")]);
  return file.subarray(0, prefix.length).equals(prefix);
}

/**
 * What subvolid-resolve of btrfs-progs 6.2 to 7.1 prints where it finds no such subvolume (ENOENT), as
 * with a number that a forged line has. All else is a failure, and leaves it unknown.
 */
const NO_SUCH_SUBVOLUME = /resolving subvolid \d+ error -2$/;

/**
 * @returns its path, relative to the top level; `undefined` where there is no such subvolume
 * @throws HelperError, BootError
 */
async function resolveSubvolumeId(
  host: Host,
  topLevel: string,
  id: number,
  isLate: () => boolean,
): Promise<Buffer | undefined> {
  refuseLate(isLate);
  let stdout: Buffer;
  try {
    ({ stdout } = await host.run([
      ...["btrfs", "inspect-internal", "subvolid-resolve"],
      ...[String(id), topLevel],
    ]));
  } catch (error) {
    if (error instanceof HelperError && NO_SUCH_SUBVOLUME.test(error.message)) {
      return undefined;
    }
    throw error;
  }
  const found = stdout.subarray(0, Math.max(stdout.length - 1, 0));
  if (found.length === 0 || !isSubvolume(host, below(topLevel, found))) {
    throw new BootError(
      "STEP_FAILED",
      `btrfs printed a path for the subvolume of number ${String(id)} at which there is none: "${found.toString()}"`,
      { hint: "See what program that is: command -v btrfs; btrfs --version." },
    );
  }
  return found;
}

/** What is nested in a read-only subvolume cannot be deleted. */
async function makeWritable(host: Host, file: Buffer): Promise<void> {
  if (!host.files.isReadOnly(file)) return;
  await setReadOnly(host, file.toString("utf8"), false);
}

async function deleteById(
  host: Host,
  topLevel: string,
  id: number,
): Promise<void> {
  await host.run(["btrfs", "subvolume", "delete", "-i", String(id), topLevel]);
}

async function printed(host: Host, argv: readonly string[]): Promise<string> {
  const { stdout } = await host.run(argv);
  return stdout.toString("utf8").trimEnd();
}
