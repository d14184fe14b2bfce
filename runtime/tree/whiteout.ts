import { isBelow } from "../base/is-below.ts";
import { pathIn, showPath, type LayerEntry } from "./layer.ts";
import {
  refuseWhileOpen,
  remove,
  type Merging,
  type Place,
} from "./merging.ts";

/**
 * What a name says of its directory, by the whiteouts of OCI's image layers.
 * @see https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
 */
export type Whiteout =
  /** What stands at this name goes. */
  | { readonly kind: "delete"; readonly name: string }
  /** All that is in the directory goes. */
  | { readonly kind: "opaque" }
  /** Reserved, or no name: it means nothing, and is not copied. */
  | { readonly kind: "invalid" };

const PREFIX = ".wh.";

/** @returns `undefined` where the name is an ordinary one */
export function parseWhiteout(name: string): Whiteout | undefined {
  if (!name.startsWith(PREFIX)) return undefined;
  const deleted = name.slice(PREFIX.length);
  if (deleted === ".wh..opq") return { kind: "opaque" };
  const isName =
    !["", ".", ".."].includes(deleted) && !deleted.startsWith(PREFIX);
  return isName ? { kind: "delete", name: deleted } : { kind: "invalid" };
}

/** Plans what the whiteouts of a directory remove. @param from the directory's path in the layer */
export function applyWhiteouts(
  merging: Merging,
  directory: LayerEntry,
  from: string,
  { path, through }: Place,
): void {
  const { tree, actions, warnings, report } = merging;
  const whiteouts = directory.children.flatMap((entry) => {
    const whiteout = parseWhiteout(entry.name);
    return whiteout === undefined ? [] : [{ entry, whiteout }];
  });
  // What empties the directory comes first.
  for (const { entry, whiteout } of whiteouts) {
    const own = { path: pathIn(from, entry.name), kind: entry.kind, through };
    if (whiteout.kind === "opaque") {
      report({ ...own, effect: "empty", target: path, replaced: "directory" });
      refuseWhileOpen(merging, own.path, (open) => isBelow(open, path));
      actions.push({ kind: "empty", path });
      tree.empty(path);
    }
    if (whiteout.kind === "invalid") {
      report({ ...own, effect: "skip", target: path, replaced: undefined });
      warnings.push(
        `the top layer's ${showPath(own.path)} is no whiteout that means anything, and is skipped`,
      );
    }
  }
  for (const { entry, whiteout } of whiteouts) {
    if (whiteout.kind !== "delete") continue;
    const target = pathIn(path, whiteout.name);
    const replaced = tree.at(target)?.kind;
    const own = { path: pathIn(from, entry.name), kind: entry.kind, through };
    report({ ...own, effect: "delete", target, replaced });
    if (replaced === undefined) continue;
    remove(merging, own.path, target);
  }
}
