import {
  programOf,
  USUAL_DIRECTORIES,
  type Home,
} from "../../engines/engine-configs.ts";
import {
  escapeFstab,
  parseFstab,
  type FstabEntry,
} from "../../system/formats/fstab.ts";

/** How the image store is mounted. */
export interface StoreMount {
  readonly home: Home;
  /** `UUID=...`, `LABEL=...` or a device's path. */
  readonly source: string;
  readonly subvolume: string;
}

/** Why it is not known how. */
export interface UnknownMount {
  readonly home: Home;
  readonly unknown: string;
}

/**
 * An fstab for the top layer: the machine's own without its root, which the kernel options mount, and
 * with the image store, whose line it may have already.
 * @param text the machine's fstab; `undefined` where it has none
 * @param home where the store is mounted
 * @param store `undefined` where it is not known
 */
export function makeFstab(
  text: string | undefined,
  home: Home,
  store: StoreMount | undefined,
): { content: string; has: "own" | "added" | "none" } {
  const mountPoint = USUAL_DIRECTORIES[home];
  const { entries } = parseFstab(text ?? "");
  const isRoot = ({ mountPoint }: FstabEntry) => mountPoint === "/";
  const roots = new Set(entries.filter(isRoot).map(({ line }) => line));
  const kept = (text ?? "")
    .split("\n")
    .filter((_, index) => !roots.has(index + 1))
    .join("\n")
    .trimEnd();
  const head =
    "# The root is mounted by the kernel options: it has no line here.\n";
  const own = kept === "" ? "" : `${kept}\n`;
  if (entries.some((entry) => entry.mountPoint === mountPoint)) {
    return { content: head + own, has: "own" };
  }
  if (store === undefined) return { content: head + own, has: "none" };
  const fields = [
    escapeFstab(store.source),
    escapeFstab(mountPoint),
    "btrfs",
    `subvol=${escapeFstab(store.subvolume)}`,
    "0",
    "0",
  ];
  return {
    content: `${head}${own}# The image store: ${programOf(home)} pull fetches the system of the next boot.\n${fields.join("  ")}\n`,
    has: "added",
  };
}
