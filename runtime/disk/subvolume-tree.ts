import path from "node:path";
import {
  isSubvolume,
  ODD_BTRFS,
  setReadOnly,
  snapshotSubvolume,
} from "./btrfs.ts";
import { BootError, HelperError } from "../base/errors.ts";
import { isBelow } from "../base/is-below.ts";
import type { Disk } from "./disk.ts";
import { listSubvolumes, type SubvolumeList } from "./subvolume-list.ts";

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
 * Deletes the subvolume at `file` with those nested in it, read-only ones too, and no others.
 * @param file relative to the top level
 * @returns the numbers of those deleted
 * @throws HelperError, BootError
 */
export async function deleteSubvolumeTree(
  disk: Disk,
  file: string,
): Promise<number[]> {
  if (!disk.hasSubvolume(file)) {
    throw new BootError("STEP_FAILED", `${disk.at(file)} is no subvolume`);
  }
  return deleteFoundTree(
    disk,
    await findTree(disk, file, await listSubvolumes(disk)),
  );
}

/**
 * As `deleteSubvolumeTree`, of what `findTree` has found.
 * @param isLate asked before each deletion: once it is, the rest stays
 * @throws HelperError, BootError
 */
export async function deleteFoundTree(
  disk: Disk,
  { file, id, nested }: SubvolumeTree,
  isLate = never,
): Promise<number[]> {
  const { host, topLevel } = disk;
  const parents = [Buffer.from(file), ...nested.map((child) => child.path)]
    .filter((parent) => nested.some((child) => isIn(child.path, parent)))
    .map((parent) => bytesOf(disk, parent))
    // What is nested in a read-only subvolume cannot be deleted.
    .filter((parent) => host.files.isReadOnly(parent));
  for (const parent of parents) {
    await setReadOnly(host, parent.toString("utf8"), false);
  }
  const ids = [...nested.map((child) => child.id), id];
  for (const each of ids.map(String)) {
    refuseLate(isLate);
    await host.run(["btrfs", "subvolume", "delete", "-i", each, topLevel]);
  }
  return ids;
}

const never = () => false;

function refuseLate(isLate: () => boolean): void {
  if (!isLate()) return;
  throw new BootError(
    "STEP_FAILED",
    "it has many subvolumes in it: what is left is for the next boot",
  );
}

/**
 * Puts what a snapshot leaves out into it: of each nested subvolume a snapshot of its own, read-only
 * where that is.
 * @param from relative to the top level, as `to`, its snapshot
 * @throws HelperError, BootError
 */
export async function snapshotNested(
  disk: Disk,
  from: string,
  to: string,
): Promise<void> {
  const { host } = disk;
  const { nested } = await findTree(disk, from, await listSubvolumes(disk));
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
    const source = disk.at(name);
    const target = disk.at(path.join(to, name.slice(from.length)));
    // What a snapshot has in the nested one's place.
    host.files.removeUnusedDirectory(target);
    await snapshotSubvolume(host, source, target);
    if (host.files.isReadOnly(source)) readOnly.push(target);
  }
  for (const target of readOnly) await setReadOnly(host, target, true);
}

/**
 * Finds what is nested in the subvolume at `file`, relative to the top level.
 * @param list of all subvolumes; one that has come since is missed, and its parent cannot be deleted
 * @param isLate asked before each helper: once it is, this fails
 * @throws HelperError, BootError
 */
export async function findTree(
  disk: Disk,
  file: string,
  list: SubvolumeList,
  isLate = never,
): Promise<SubvolumeTree> {
  const command = ["btrfs", "inspect-internal", "rootid", disk.at(file)];
  const { stdout } = await disk.host.run(command);
  const id = Number(stdout.toString("utf8").trimEnd());
  if (!list.has(id)) {
    throw new BootError(
      "STEP_FAILED",
      `the list that btrfs printed lacks the subvolume ${file} itself`,
      { hint: ODD_BTRFS },
    );
  }
  const nested: NestedSubvolume[] = [];
  for (const candidate of list.mayBeNestedIn(id)) {
    const found =
      listedPath(disk, list, candidate) ??
      (await resolveSubvolumeId(disk, candidate, isLate));
    if (found !== undefined && isIn(found, Buffer.from(file))) {
      nested.push({ id: candidate, path: found });
    }
  }
  // A child's path is longer.
  nested.sort((a, b) => b.path.length - a.path.length);
  return { file, id, nested };
}

/** `undefined` where the list leaves it open. */
function listedPath(
  disk: Disk,
  list: SubvolumeList,
  id: number,
): Buffer | undefined {
  const line = list.ofId(id);
  if (line === undefined) return undefined;
  const file = Buffer.from(line.path, "latin1");
  return isSubvolume(disk.host, bytesOf(disk, file)) ? file : undefined;
}

/** As `disk.at`, of a name that may not be valid UTF-8. */
function bytesOf({ topLevel }: Disk, file: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${topLevel}/`), file]);
}

function isIn(file: Buffer, ancestor: Buffer): boolean {
  return isBelow(file.toString("latin1"), ancestor.toString("latin1"));
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
  disk: Disk,
  id: number,
  isLate: () => boolean,
): Promise<Buffer | undefined> {
  refuseLate(isLate);
  const command = ["btrfs", "inspect-internal", "subvolid-resolve", String(id)];
  let stdout: Buffer;
  try {
    ({ stdout } = await disk.host.run([...command, disk.topLevel]));
  } catch (error) {
    if (error instanceof HelperError && NO_SUCH_SUBVOLUME.test(error.message)) {
      return undefined;
    }
    throw error;
  }
  const found = stdout.subarray(0, Math.max(stdout.length - 1, 0));
  if (found.length > 0 && isSubvolume(disk.host, bytesOf(disk, found))) {
    return found;
  }
  throw new BootError(
    "STEP_FAILED",
    `btrfs printed a path for the subvolume of number ${String(id)} at which there is none: "${found.toString()}"`,
    { hint: ODD_BTRFS },
  );
}
