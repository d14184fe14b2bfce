import type { Host } from "../../runtime/host/host.ts";
import { readSubvolumeSizes, type SubvolumeSizes } from "./qgroups.ts";
import type { Gaps } from "./unreadable.ts";

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
