import * as v from "valibot";
import type { Host } from "../../runtime/host/host.ts";
import { HelperError } from "../../runtime/base/errors.ts";
import type { RootSize } from "./formats/status.ts";
import type { Gaps } from "./unreadable.ts";

/** By the subvolume's number. */
export type SubvolumeSizes = ReadonlyMap<number, RootSize>;

/**
 * Asks for the sizes of all subvolumes, as of the filesystem's last commit.
 * @returns `undefined` where quotas are off: without them btrfs knows no sizes
 * @throws HelperError
 */
async function readSubvolumeSizes(
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

const digits = v.pipe(v.string(), v.regex(/^\d{1,15}$/), v.transform(Number));

/** A line: level 0 has the subvolumes. */
const qgroup = v.object({
  id: v.pipe(
    v.string(),
    v.startsWith("0/"),
    v.transform((id) => id.slice(2)),
    digits,
  ),
  referencedBytes: digits,
  exclusiveBytes: digits,
});

/**
 * Parses what `btrfs qgroup show --raw` prints: a header, a rule, a line for each qgroup. The columns
 * are found by their names, and a path in the last one is not read. A path with a newline could look
 * like a line: a number that has two lines is left out.
 * @see https://btrfs.readthedocs.io/en/latest/btrfs-qgroup.html
 */
export function parseQgroups(text: string): SubvolumeSizes {
  const lines = text.split("\n").map((line) => line.trim().split(/\s+/));
  const header = lines
    .map((line) => line.map((name) => name.toLowerCase()))
    .find(([name]) => name === "qgroupid");
  // The former names are those of btrfs-progs before 6.
  const columnOf = (...names: readonly string[]) =>
    header?.findIndex((name) => names.includes(name)) ?? -1;
  const referenced = columnOf("referenced", "rfer");
  const exclusive = columnOf("exclusive", "excl");
  const found = lines.flatMap((line) => {
    const { success, output } = v.safeParse(qgroup, {
      id: line[0],
      referencedBytes: line[referenced],
      exclusiveBytes: line[exclusive],
    });
    return success ? [output] : [];
  });
  const byId = Map.groupBy(found, ({ id }) => id);
  return new Map(
    [...byId].flatMap(([id, [first, second]]) => {
      if (first === undefined || second !== undefined) return [];
      const { referencedBytes, exclusiveBytes } = first;
      return [[id, { referencedBytes, exclusiveBytes }]];
    }),
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
