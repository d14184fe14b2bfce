import {
  programOf,
  USUAL_DIRECTORIES,
  type Home,
} from "../../engines/formats/engine-configs.ts";
import {
  escapeFstab,
  parseFstab,
  type FstabEntry,
} from "../../system/formats/fstab.ts";

/** How the image store is mounted. */
export interface StoreMount {
  readonly home: Home;
  /** `UUID=...`, `LABEL=...`, a device's path, or the directory that is bound. */
  readonly source: string;
  readonly fsType: string;
  readonly options: string;
  /** The device of the filesystem that is mounted below a root that is an overlay, where the system has it mounted. */
  readonly overlayDevice?: string;
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
 * @param kept where /home and swap files are below the new root, as far as they are on its disk
 * @param hasHome whether the machine has files in /home
 */
export function makeFstab(
  text = "",
  store: StoreMount | UnknownMount,
  kept: ReadonlyMap<string, string> = new Map(),
  hasHome = false,
): { content: string; about: string; warnings: string[] } {
  const mountPoint = USUAL_DIRECTORIES[store.home];
  const pull = `${programOf(store.home)} pull`;
  const { entries } = parseFstab(text);
  const home = kept.get("/home");
  const own = new Map(entries.map((entry) => [entry.line, entry]));
  const left: string[] = [];
  const ownLines = text
    .split("\n")
    .flatMap((line, index) => {
      const entry = own.get(index + 1);
      if (entry?.mountPoint === "/") return [];
      if (entry === undefined || !isSwapFile(entry)) return [line];
      const { source, mountPoint, fsType, options } = entry;
      const place = kept.get(source);
      if (place !== undefined) {
        return [formatLine(place, mountPoint, fsType, options.join(","))];
      }
      left.push(`the swap file ${source} stays behind, and its line, too`);
      return [];
    })
    .join("\n")
    .trimEnd();
  const lines = [
    "# The root is mounted by the kernel options: it has no line here.",
    ...(ownLines === "" ? [] : [ownLines]),
  ];
  const mounts = (at: string) =>
    entries.some((entry) => entry.mountPoint === at);
  const bindsHome = home !== undefined && !mounts("/home");
  if (bindsHome) {
    lines.push(
      "# People's files are on the disk that the new root is on, too.",
      formatLine(home, "/home", "none", "bind"),
    );
  }
  const leavesHome = home === undefined && hasHome && !mounts("/home");
  const end = (withStore: string, warnings: readonly string[] = []) => ({
    content: lines.map((line) => `${line}\n`).join(""),
    about: `this machine's without /, ${withStore}${bindsHome ? `, with its /home` : ""}`,
    warnings: [
      ...left,
      ...(leavesHome
        ? [
            "people's files in /home stay behind, and the new root has the image's /home: give it a line of its own in etc/fstab",
          ]
        : []),
      ...warnings,
    ],
  });
  if (mounts(mountPoint)) {
    return end(`with its own line for ${mountPoint}`);
  }
  if ("unknown" in store) {
    return end(`without ${mountPoint}`, [
      `the fstab has no line for ${mountPoint}, which ${pull} needs to fetch the next system: ${store.unknown}`,
    ]);
  }
  const { source, fsType, options } = store;
  lines.push(
    `# The image store: ${pull} fetches the system of the next boot.`,
    formatLine(source, mountPoint, fsType, options),
  );
  return end(`with ${source} ${options} at ${mountPoint}`);
}

/** A file of this machine's own root: another root has none of that name. */
export function isSwapFile({ source, fsType }: FstabEntry): boolean {
  return (
    fsType === "swap" && source.startsWith("/") && !source.startsWith("/dev/")
  );
}

function formatLine(...fields: readonly string[]): string {
  return [...fields, "0", "0"].map(escapeFstab).join("  ");
}
