import type { FileKind } from "../../../runtime/host/file-status.ts";
import type { ToldChange } from "../../diff/formats/group-changes.ts";

/** What is known of the place of a change. Paths are as in changes. */
export interface PromotionFacts {
  /** What the image has there; `undefined` where it has nothing. */
  readonly imageKind: (path: string) => FileKind | undefined;
  /** What the top layer has there now. */
  readonly layerKind: (path: string) => FileKind | undefined;
  /** Whether the top layer's own has become another one since this root was made of it. */
  readonly hasLayerChanged: (path: string) => boolean;
  /** Whether a package that has come or changed brings it, or a package manager's database is there. */
  readonly isOfPackage: (path: string) => boolean;
  /** Whether this very path was asked for. */
  readonly isNamed: (path: string) => boolean;
}

/** What is done to the top layer, each list in its order. */
export interface Promotion {
  /** Taken away from the top layer, with all that is in it. */
  readonly remove: readonly string[];
  /** Copied from the root, a directory with all that is in it. */
  readonly copy: readonly string[];
  /** Account files of which the changed lines alone are taken over. */
  readonly merge: readonly string[];
  /** Directories of which owner and mode alone are taken over. */
  readonly attributes: readonly string[];
  /** Where the image's is to go. */
  readonly whiteouts: readonly string[];
  readonly promoted: readonly ToldChange[];
  readonly skipped: readonly SkippedChange[];
}

export interface SkippedChange {
  readonly change: ToldChange;
  readonly why: Obstacle;
}

/**
 * Why something is not carried over: `package`: a package brings it, and it belongs into the Dockerfile. `conflict`:
 * the top layer has another one by now. `socket`, `name`: it cannot be in a top layer. `xattrs`: those of a directory
 * that was there.
 */
export const OBSTACLES = [
  "package",
  "conflict",
  "socket",
  "name",
  "xattrs",
] as const;

export type Obstacle = (typeof OBSTACLES)[number];

/** Files with a line for each account, of which a root has those of the image, of the machine, and those added since. */
const ACCOUNT_FILES = new Set(
  ["passwd", "group", "shadow", "gshadow", "subuid", "subgid"].map(
    (name) => `etc/${name}`,
  ),
);

/**
 * Decides how the next root gets what has changed in this one. Touches nothing.
 * @param changes those that are asked for
 */
export function planPromotion(
  changes: readonly ToldChange[],
  facts: PromotionFacts,
): Promotion {
  const remove: string[] = [];
  const copy: string[] = [];
  const merge: string[] = [];
  const attributes: string[] = [];
  const whiteouts: string[] = [];
  const promoted: ToldChange[] = [];
  const skipped: SkippedChange[] = [];
  for (const change of changes) {
    const { path, kind, type, aspects } = change;
    const isMerged = isMergedByLine(change, facts);
    const why = findObstacle(change, facts, isMerged);
    if (why !== undefined) {
      skipped.push({ change, why });
      continue;
    }
    promoted.push(change);
    const inLayer = facts.layerKind(path);
    const inImage = facts.imageKind(path);
    if (kind === "deleted") {
      if (inLayer !== undefined) remove.push(path);
      if (inImage !== undefined) whiteouts.push(path);
    } else if (isMerged) merge.push(path);
    else if (
      kind === "changed" &&
      type === "directory" &&
      !aspects.includes("type")
    ) {
      attributes.push(path);
    } else {
      if (inLayer !== undefined && inLayer !== type) remove.push(path);
      // A directory is laid through the image's link, and a file would leave a warning at each boot.
      if (
        inImage !== undefined &&
        (inImage === "directory") !== (type === "directory")
      ) {
        whiteouts.push(path);
      }
      copy.push(path);
    }
  }
  return { remove, copy, merge, attributes, whiteouts, promoted, skipped };
}

/** Where the top layer's own has not changed since, the root's is what it would become. */
function isMergedByLine(
  { path, kind, type }: ToldChange,
  facts: PromotionFacts,
): boolean {
  return (
    ACCOUNT_FILES.has(path) &&
    kind === "changed" &&
    type === "file" &&
    facts.layerKind(path) === "file" &&
    facts.hasLayerChanged(path)
  );
}

function findObstacle(
  { path, kind, type, aspects }: ToldChange,
  facts: PromotionFacts,
  isMerged: boolean,
): Obstacle | undefined {
  if (facts.isOfPackage(path) && !facts.isNamed(path)) return "package";
  if (kind !== "deleted" && type === "socket") return "socket";
  if (type === "overlay-whiteout") return "name";
  if (path.split("/").some((name) => name.startsWith(".wh."))) return "name";
  // Arguments of a program are UTF-8 here.
  if (!isUtf8(path)) return "name";
  const isDirectoryItself =
    kind === "changed" && type === "directory" && !aspects.includes("type");
  if (isDirectoryItself && aspects.includes("xattrs")) return "xattrs";
  if (isMerged || isDirectoryItself) return undefined;
  return facts.hasLayerChanged(path) ? "conflict" : undefined;
}

function isUtf8(path: string): boolean {
  const bytes = Buffer.from(path, "latin1");
  return bytes.equals(Buffer.from(bytes.toString("utf8")));
}
