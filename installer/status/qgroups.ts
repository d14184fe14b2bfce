import type { Host } from "../../runtime/host/host.ts";
import { HelperError } from "../../runtime/base/errors.ts";
import type { SubvolumeSize } from "./formats/status.ts";
import type { Gaps } from "./unreadable.ts";

/** By the subvolume's number. */
export type SubvolumeSizes = ReadonlyMap<number, SubvolumeSize>;

/**
 * Asks for the sizes of all subvolumes, as of the filesystem's last commit.
 * @returns `undefined` where quotas are off: without them btrfs knows no sizes
 * @throws HelperError
 */
export async function readSubvolumeSizes(
  host: Host,
  topLevel: string,
): Promise<SubvolumeSizes | undefined> {
  try {
    const command = ["btrfs", "qgroup", "show", "--raw", topLevel];
    const { stdout } = await host.run(command);
    return parseQgroups(stdout.toString("utf8"));
  } catch (error) {
    const isOff =
      error instanceof HelperError &&
      error.kind === "exit" &&
      /quotas? not enabled/i.test(error.message);
    if (isOff) return undefined;
    throw error;
  }
}

/** Former names are those of btrfs-progs before 6. */
const COLUMNS = {
  referencedBytes: ["referenced", "rfer"],
  exclusiveBytes: ["exclusive", "excl"],
} as const;

/**
 * Parses what `btrfs qgroup show --raw` prints: a header, a rule, a line for each qgroup. The columns
 * are found by their names, and a path in the last one is not read. Level 0 has the subvolumes. A
 * path with a newline could look like a line: a number that has two lines is left out.
 * @see https://btrfs.readthedocs.io/en/latest/btrfs-qgroup.html
 */
export function parseQgroups(text: string): SubvolumeSizes {
  const lines = text.split("\n").map((line) => line.trim().split(/\s+/));
  const header = lines.find(([name]) => name?.toLowerCase() === "qgroupid");
  const names = header?.map((name) => name.toLowerCase()) ?? [];
  const numberIn = (line: readonly string[], column: keyof typeof COLUMNS) => {
    const index = names.findIndex((name) =>
      COLUMNS[column].some((known) => known === name),
    );
    const value = line[index] ?? "";
    return /^\d{1,15}$/.test(value) ? Number(value) : undefined;
  };
  const found = lines.flatMap((line) => {
    const id = /^0\/(\d{1,15})$/.exec(line[0] ?? "")?.[1];
    const referencedBytes = numberIn(line, "referencedBytes");
    const exclusiveBytes = numberIn(line, "exclusiveBytes");
    return id === undefined ||
      referencedBytes === undefined ||
      exclusiveBytes === undefined
      ? []
      : [{ id: Number(id), size: { referencedBytes, exclusiveBytes } }];
  });
  const counts = Map.groupBy(found, ({ id }) => id);
  return new Map(
    [...counts].flatMap(([id, [first, second]]) =>
      first === undefined || second !== undefined ? [] : [[id, first.size]],
    ),
  );
}

/** What sysfs says of the size of each of its files. */
const MAX_FLAG_BYTES = 4096;

/** The sizes of all subvolumes; `undefined` where they are not known: wrong ones are worse than none. */
export async function readSizes(
  host: Host,
  topLevel: string,
  filesystemUuid: string | null,
  gaps: Gaps,
): Promise<SubvolumeSizes | undefined> {
  const sizes = await gaps.attempt("sizes", () =>
    readSubvolumeSizes(host, topLevel),
  );
  if (sizes === null || sizes === undefined) return undefined;
  if (filesystemUuid === null) return sizes;
  const isInexact = await gaps.attempt("whether sizes are exact", () =>
    areInconsistent(host, filesystemUuid),
  );
  if (isInexact !== true) return sizes;
  gaps.add({
    what: "sizes",
    why: "btrfs has lost count of them, or is still counting",
    hint: "Let it count anew: sudo btrfs quota rescan -w /",
  });
  return undefined;
}

/** The kernel tells since 5.9. */
function areInconsistent(host: Host, filesystemUuid: string): boolean {
  const flag = `/sys/fs/btrfs/${filesystemUuid}/qgroups/inconsistent`;
  return host.readText(flag, MAX_FLAG_BYTES)?.trim() === "1";
}
