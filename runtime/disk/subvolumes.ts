import path from "node:path";
import {
  isSubvolume,
  ODD_BTRFS,
  readSubvolume,
  refuseImmutable,
  setReadOnly,
  snapshotSubvolume,
  type SubvolumeFacts,
} from "./btrfs.ts";
import { BootError, HelperError } from "../base/errors.ts";
import { isBelow } from "../base/is-below.ts";
import type { Disk } from "./disk.ts";

/** A line of the list. */
export interface ListedSubvolume extends SubvolumeFacts {
  readonly id: number;
  readonly parentId: number;
  /** Relative to the top level, one byte a character (latin1), up to its first newline. */
  readonly path: string;
}

/**
 * All subvolumes of a filesystem, as btrfs lists them at once. A subvolume's name may contain newlines,
 * so some lines can be forged: they can add subvolumes, and never hide one.
 */
export class SubvolumeList {
  readonly #uuids: ReadonlySet<string>;
  readonly #byPath: ReadonlyMap<string, readonly ListedSubvolume[]>;
  readonly #byId: ReadonlyMap<number, readonly ListedSubvolume[]>;
  readonly #byParent: ReadonlyMap<number, readonly ListedSubvolume[]>;

  constructor(lines: readonly ListedSubvolume[]) {
    this.#uuids = new Set(lines.map(({ uuid }) => uuid));
    this.#byPath = Map.groupBy(lines, (line) => line.path);
    this.#byId = Map.groupBy(lines, ({ id }) => id);
    this.#byParent = Map.groupBy(lines, ({ parentId }) => parentId);
  }

  has(id: number): boolean {
    return this.#byId.has(id);
  }

  /** Whether there may be a subvolume of this UUID. */
  mayHave(uuid: string): boolean {
    return this.#uuids.has(uuid);
  }

  /** The subvolume of that number; `undefined` where the list leaves it open. */
  ofId(id: number): ListedSubvolume | undefined {
    return this.#pickUnforged(this.#byId.get(id));
  }

  /**
   * The subvolume at a path, at which one stands; `undefined` where the list leaves it open.
   * @param file relative to the top level, without a newline
   */
  at(file: string): ListedSubvolume | undefined {
    const name = Buffer.from(file).toString("latin1");
    return this.#pickUnforged(this.#byPath.get(name));
  }

  /** A subvolume has a line of its own, so that a forged one is a second of its path or of its number. */
  #pickUnforged(
    lines: readonly ListedSubvolume[] = [],
  ): ListedSubvolume | undefined {
    return lines.find(
      (line) =>
        this.#byPath.get(line.path)?.length === 1 &&
        this.#byId.get(line.id)?.length === 1,
    );
  }

  /** The numbers of all subvolumes that may be nested in the one of that number, the deepest first. */
  mayBeNestedIn(rootId: number): number[] {
    const found = new Set([rootId]);
    // A set's iteration reaches what is added meanwhile.
    for (const parent of found) {
      for (const { id } of this.#byParent.get(parent) ?? []) found.add(id);
    }
    return [...found].slice(1).toReversed();
  }
}

/** Asks btrfs for the list. @throws HelperError */
export async function listSubvolumes({
  host,
  topLevel,
}: Disk): Promise<SubvolumeList> {
  const command = ["btrfs", "subvolume", "list", "-c", "-u", "-q", topLevel];
  const { stdout } = await host.run(command);
  return new SubvolumeList(parseSubvolumeList(stdout.toString("latin1")));
}

/**
 * What btrfs tells of the subvolume at a path: as listed, or asked for where the list leaves it open.
 * @returns `undefined` where none stands there
 * @throws HelperError, BootError
 */
export async function findListed(
  disk: Disk,
  list: SubvolumeList,
  file: string,
): Promise<SubvolumeFacts | undefined> {
  if (!disk.hasSubvolume(file)) return undefined;
  return list.at(file) ?? readSubvolume(disk.host, disk.at(file));
}

/**
 * Parses what `btrfs subvolume list -c -u -q` prints, one byte a character (latin1).
 * @see https://btrfs.readthedocs.io/en/latest/btrfs-subvolume.html (list)
 */
export function parseSubvolumeList(text: string): ListedSubvolume[] {
  return Array.from(
    text.matchAll(
      /^ID (\d+) gen (\d+) cgen (\d+) top level (\d+) parent_uuid (\S+) +uuid ([0-9a-f-]{36}) path (.*)$/gm,
    ),
    ([, id, lastChange, madeBy, parentId, ...texts]) => {
      const [parentUuid = "-", uuid = "", path = ""] = texts;
      return {
        id: Number(id),
        parentId: Number(parentId),
        uuid,
        parentUuid: parentUuid === "-" ? undefined : parentUuid,
        lastChange: Number(lastChange),
        madeBy: Number(madeBy),
        path,
      };
    },
  );
}

interface NestedSubvolume {
  readonly id: number;
  /** Relative to the top level; a name may not be valid UTF-8. */
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
  disk: Disk,
  file: string,
  list?: SubvolumeList,
  isLate?: () => boolean,
): Promise<SubvolumeTree> {
  if (!disk.hasSubvolume(file)) {
    throw new BootError("STEP_FAILED", `${disk.at(file)} is not a subvolume`);
  }
  const command = ["btrfs", "inspect-internal", "rootid", disk.at(file)];
  const { stdout } = await disk.host.run(command);
  const id = Number(stdout.toString("utf8").trimEnd());
  list ??= await listSubvolumes(disk);
  if (!list.has(id)) {
    throw new BootError(
      "STEP_FAILED",
      `btrfs subvolume list does not list the subvolume ${file}`,
      { hint: ODD_BTRFS },
    );
  }
  const nested: NestedSubvolume[] = [];
  for (const candidate of list.mayBeNestedIn(id)) {
    const found = await locate(disk, list, candidate, isLate);
    if (found !== undefined && isIn(found, Buffer.from(file))) {
      nested.push({ id: candidate, path: found });
    }
  }
  // A child's path is longer.
  nested.sort((a, b) => b.path.length - a.path.length);
  return { file, id, nested };
}

function refuseLate(isLate = () => false): void {
  if (!isLate()) return;
  throw new BootError(
    "STEP_FAILED",
    "it contains many subvolumes: the next boot removes the rest",
  );
}

/**
 * What subvolid-resolve of btrfs-progs 6.2 to 7.1 prints where it finds no such subvolume (ENOENT), as
 * with a number that a forged line has. All else is a failure, and leaves it unknown.
 */
const NO_SUCH_SUBVOLUME = /resolving subvolid \d+ error -2$/;

/**
 * Where a listed subvolume is, relative to the top level; `undefined` where there is no such subvolume.
 * @throws HelperError, BootError
 */
async function locate(
  disk: Disk,
  list: SubvolumeList,
  id: number,
  isLate?: () => boolean,
): Promise<Buffer | undefined> {
  const { host, topLevel } = disk;
  const line = list.ofId(id);
  if (line !== undefined) {
    const listed = Buffer.from(line.path, "latin1");
    if (isSubvolume(host, bytesAt(disk, listed))) return listed;
  }
  refuseLate(isLate);
  const command = ["btrfs", "inspect-internal", "subvolid-resolve", String(id)];
  let stdout: Buffer;
  try {
    ({ stdout } = await host.run([...command, topLevel]));
  } catch (error) {
    if (error instanceof HelperError && NO_SUCH_SUBVOLUME.test(error.message)) {
      return undefined;
    }
    throw error;
  }
  const found = stdout.subarray(0, Math.max(stdout.length - 1, 0));
  if (found.length > 0 && isSubvolume(host, bytesAt(disk, found))) return found;
  throw new BootError(
    "STEP_FAILED",
    `btrfs resolved the subvolume ID ${String(id)} to "${found.toString()}", which is not a subvolume`,
    { hint: ODD_BTRFS },
  );
}

/**
 * Deletes a subvolume with those nested in it, read-only ones too, and no others.
 * @param isLate asked before each deletion: once it is, the rest stays
 * @returns the numbers of those deleted
 * @throws HelperError, BootError
 */
export async function deleteTree(
  disk: Disk,
  { file, id, nested }: SubvolumeTree,
  isLate?: () => boolean,
): Promise<number[]> {
  const { host, topLevel } = disk;
  for (const parent of [Buffer.from(file), ...nested.map(({ path }) => path)]) {
    const isParent = nested.some((child) => isIn(child.path, parent));
    const place = bytesAt(disk, parent);
    refuseImmutable(host, place, parent.toString());
    // What is nested in a read-only subvolume cannot be deleted.
    if (isParent && host.files.isReadOnly(place)) {
      await setReadOnly(host, place.toString("utf8"), false);
    }
  }
  const ids = [...nested.map((child) => child.id), id];
  for (const each of ids.map(String)) {
    refuseLate(isLate);
    await host.run(["btrfs", "subvolume", "delete", "-i", each, topLevel]);
  }
  return ids;
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
  const { nested } = await findTree(disk, from);
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

/** As `disk.at`, of a name that may not be valid UTF-8. */
function bytesAt({ topLevel }: Disk, file: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${topLevel}/`), file]);
}

function isIn(file: Buffer, ancestor: Buffer): boolean {
  return isBelow(file.toString("latin1"), ancestor.toString("latin1"));
}
