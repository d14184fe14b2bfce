import { readSubvolume } from "./btrfs.ts";
import type { Disk } from "./disk.ts";

/** A line of the list. */
export interface ListedSubvolume {
  readonly id: number;
  readonly parentId: number;
  /** Lower case. */
  readonly uuid: string;
  /** What it is a snapshot of. */
  readonly parentUuid: string | undefined;
  /** btrfs's number of the transaction that has changed it last. */
  readonly lastChange: number;
  /** That of the transaction that has made it. */
  readonly madeBy: number;
  /** Relative to the top level, one byte a character (latin1), up to its first newline. */
  readonly path: string;
}

/**
 * All subvolumes of a filesystem, as btrfs lists them at once. A subvolume's name may contain newlines,
 * so some lines can be forged: they can add subvolumes, and never hide one.
 */
export interface SubvolumeList {
  has(id: number): boolean;
  /** The subvolume of that number; `undefined` where the list leaves it open. */
  ofId(id: number): ListedSubvolume | undefined;
  /**
   * The numbers of all subvolumes that may be nested in the one of that number, the deepest first, itself
   * not included.
   */
  mayBeNestedIn(id: number): number[];
  /**
   * The subvolume at a path, at which one stands.
   * @param file relative to the top level, without a newline
   * @returns `undefined` where the list leaves it open: some lines are forged
   */
  at(file: string): ListedSubvolume | undefined;
  /** Whether there may be a subvolume of this UUID. */
  mayHave(uuid: string): boolean;
}

/** Asks btrfs for the list. @throws HelperError */
export async function listSubvolumes({
  host,
  topLevel,
}: Disk): Promise<SubvolumeList> {
  const command = ["btrfs", "subvolume", "list", "-c", "-u", "-q", topLevel];
  const { stdout } = await host.run(command);
  return indexSubvolumes(parseSubvolumeList(stdout.toString("latin1")));
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
): Promise<
  Pick<ListedSubvolume, "uuid" | "lastChange" | "madeBy"> | undefined
> {
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

export function indexSubvolumes(
  lines: readonly ListedSubvolume[],
): SubvolumeList {
  const byPath = Map.groupBy(lines, ({ path }) => path);
  const byId = Map.groupBy(lines, ({ id }) => id);
  const uuids = new Set(lines.map(({ uuid }) => uuid));
  const children = Map.groupBy(lines, ({ parentId }) => parentId);
  // Its own line is there, so that a forged one is a second of its path or of its number.
  const isAlone = ({ id, path }: ListedSubvolume) =>
    byPath.get(path)?.length === 1 && byId.get(id)?.length === 1;
  return {
    has: (id) => byId.has(id),
    ofId: (id) => {
      const [line] = byId.get(id) ?? [];
      return line !== undefined && isAlone(line) ? line : undefined;
    },
    mayBeNestedIn: (rootId) => {
      const depths = new Map([[rootId, 0]]);
      let level = [rootId];
      for (let depth = 1; level.length > 0; depth += 1) {
        const below = level.flatMap((parent) => children.get(parent) ?? []);
        level = [];
        for (const { id } of below) {
          if (depths.has(id)) continue;
          depths.set(id, depth);
          level.push(id);
        }
      }
      depths.delete(rootId);
      return [...depths].sort(([, a], [, b]) => b - a).map(([id]) => id);
    },
    at: (file) => {
      const name = Buffer.from(file).toString("latin1");
      const [line] = byPath.get(name) ?? [];
      return line !== undefined && isAlone(line) ? line : undefined;
    },
    mayHave: (uuid) => uuids.has(uuid),
  };
}
