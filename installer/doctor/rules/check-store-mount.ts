import path from "node:path";
import {
  directoryOf,
  programOf,
} from "../../engines/formats/engine-configs.ts";
import {
  escapeFstab,
  isMounted,
  optionValue,
  parseFstab,
  type FstabEntry,
} from "../../system/formats/fstab.ts";
import type { CheckFacts } from "../../toplayer/rules/check-facts.ts";
import type { TreeFacts } from "./facts.ts";
import { OVERLAY_DISK } from "../../../runtime/records/boot-record.ts";
import { ok, warning, type Finding } from "./finding.ts";

/** Whether what is pulled in the new system comes into the store that is booted from. */
export function* checkStoreMount({
  what,
  check,
  engine,
  store,
}: TreeFacts): Iterable<Finding> {
  if (store === undefined || !engine.isInstalled) return;
  const { root, storePath, isOverlay } = store;
  const mountPoint = directoryOf(engine.configs, engine.home);
  const pull = `${programOf(engine.home)} pull`;
  const bound = path.join(OVERLAY_DISK, storePath);
  const right = [
    ...(isOverlay
      ? [bound, mountPoint, "none", "bind"]
      : [root, mountPoint, "btrfs", `subvol=${storePath}`]),
    ...["0", "0"],
  ]
    .map(escapeFstab)
    .join(" ");
  const line = findLine(check, mountPoint);
  const unit = findUnit(check, mountPoint);
  if (unit !== undefined && line?.mountPoint !== mountPoint) {
    yield ok(
      "store-mount",
      `${what}: ${unit} mounts the image store at ${mountPoint}`,
    );
    return;
  }
  if (line === undefined) {
    yield warning(
      "store-mount",
      `${what}: nothing mounts the image store at ${mountPoint}: ${pull} in the new system stores images in the root, which the next boot replaces`,
      `Add a line to the top layer's etc/fstab: ${right}`,
    );
    return;
  }
  const problem = isOverlay
    ? findBindProblem(line, bound)
    : findProblem(check, line);
  const subvolume = subvolumeAt(line, mountPoint);
  const mounts = `${what}: line ${String(line.line)} of its fstab mounts`;
  if (problem !== undefined) {
    yield warning(
      "store-mount",
      `${mounts} ${line.source} (${problem}), but the image store is ${storePath} on ${root}: ${pull} in the new system stores images elsewhere`,
      `Replace it with: ${right}`,
    );
  } else if (subvolume !== undefined && subvolume !== storePath) {
    yield warning(
      "store-mount",
      `${mounts} ${subvolume} at ${mountPoint}, but the kernel options name the image store ${storePath}`,
      `Replace it with: ${right}`,
    );
  } else {
    yield ok("store-mount", `${mounts} the image store at ${mountPoint}`);
  }
}

/** The line for the mount point, else for what is above it. */
function findLine(
  { texts }: CheckFacts,
  mountPoint: string,
): FstabEntry | undefined {
  return parseFstab(texts.fstab.text ?? "")
    .entries.filter(
      (entry) =>
        entry.mountPoint !== "/" &&
        `${mountPoint}/`.startsWith(`${entry.mountPoint}/`) &&
        isMounted(entry),
    )
    .toSorted(
      (a, b) => b.mountPoint.length - a.mountPoint.length || b.line - a.line,
    )[0];
}

const UNIT_DIRECTORIES = [
  "/etc/systemd/system",
  "/usr/lib/systemd/system",
  "/usr/local/lib/systemd/system",
];

/** Systemd names the unit of a mount point after it, see systemd.unit(5). */
function findUnit(
  { stands }: CheckFacts,
  mountPoint: string,
): string | undefined {
  const name = mountPoint
    .slice(1)
    .replace(
      /[^\w/:.]/g,
      (character) =>
        `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
    )
    .replaceAll("/", "-");
  return UNIT_DIRECTORIES.map((directory) => `${directory}/${name}.mount`).find(
    stands,
  );
}

/** Why a line does not mount an image store, whichever that is. */
function findProblem(
  { isRootFilesystem }: CheckFacts,
  entry: FstabEntry,
): string | undefined {
  const { source, fsType, options } = entry;
  if (options.some((option) => /^r?bind$/.test(option))) return undefined;
  if (!["btrfs", "auto"].includes(fsType)) {
    return `of the type ${fsType}, not btrfs`;
  }
  if (isRootFilesystem(source) === false) return "another filesystem";
  return ["subvol", "subvolid"].some(
    (name) => optionValue(entry, name) !== undefined,
  )
    ? undefined
    : "without subvol=";
}

/** Why a line does not bind the store from where the disk of an overlay is mounted. */
function findBindProblem(
  { source, options }: FstabEntry,
  bound: string,
): string | undefined {
  if (source === bound && options.some((option) => /^r?bind$/.test(option))) {
    return undefined;
  }
  return `not a bind of ${bound}, where the disk is mounted`;
}

/** What a line puts there, from the top level; `undefined` where it does not say. */
function subvolumeAt(line: FstabEntry, mountPoint: string): string | undefined {
  const subvolume = optionValue(line, "subvol");
  if (subvolume === undefined) return undefined;
  const below = path.relative(line.mountPoint, mountPoint);
  return path.join("/", subvolume, below).replace(/^\/+|\/+$/g, "");
}
