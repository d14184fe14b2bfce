import type { LinkOrOther } from "../host/files.ts";
import { resolveInRoot } from "../base/resolve-in-root.ts";
import type { LayerEntry } from "./layer.ts";

/** The tree that layers are laid over, looked at where it must be. */
export interface BaseTree {
  /**
   * @param file relative, one byte a character; nothing on the way to it is a symlink
   * @returns `undefined` where nothing stands there
   */
  look(file: string): LinkOrOther | undefined;
}

/** What stands at a path: the base's, or the entry of a layer that was put there. */
type TreeEntry = LinkOrOther | LayerEntry;

/** A tree as it is after all that was planned so far. Paths are as in `BaseTree`; `""` is the root. */
export interface MergedTree {
  at(file: string): TreeEntry | undefined;
  /**
   * Puts an entry alone in the place of what stands there with all below; but a directory that is
   * there keeps what is in it where another comes.
   */
  put(file: string, entry: LayerEntry): void;
  remove(file: string): void;
  /** Removes all that is in a directory. */
  empty(file: string): void;
  /**
   * Where a path leads inside the tree.
   * @returns a path free of symlinks, where something may stand; `undefined` where links loop
   */
  resolve(file: string): string | undefined;
}

/** What is known to differ from the base. */
interface Change {
  /** `undefined`: as in the base; `null`: nothing. */
  entry: LayerEntry | undefined | null;
  /** Nothing of the base is seen below. */
  hidesBase: boolean;
  below: Map<string, Change> | undefined;
}

const ROOT: TreeEntry = {
  kind: "directory",
  target: undefined,
  hasSpecialBits: false,
};

/** @param base is not looked at before its entries are asked for */
export function createMergedTree(base: BaseTree): MergedTree {
  const root = unchanged();

  const at = (file: string): TreeEntry | undefined => {
    let here = root;
    let isBaseHidden = false;
    for (const name of partsOf(file)) {
      isBaseHidden ||= here.hidesBase;
      const next = here.below?.get(name);
      if (next === undefined) return isBaseHidden ? undefined : base.look(file);
      if (next.entry === null) return undefined;
      here = next;
    }
    if (here === root) return root.entry ?? ROOT;
    return here.entry ?? (isBaseHidden ? undefined : base.look(file));
  };

  const change = (file: string): Change => {
    let here = root;
    for (const name of partsOf(file)) {
      here.below ??= new Map<string, Change>();
      let next = here.below.get(name);
      if (next === undefined) {
        next = unchanged();
        here.below.set(name, next);
      }
      here = next;
    }
    return here;
  };

  const empty = (file: string): Change => {
    const here = change(file);
    here.hidesBase = true;
    here.below = undefined;
    return here;
  };

  return {
    at,
    put: (file, entry) => {
      const merges =
        entry.kind === "directory" && at(file)?.kind === "directory";
      (merges ? change(file) : empty(file)).entry = entry;
    },
    remove: (file) => {
      empty(file).entry = null;
    },
    empty,
    resolve: (file) =>
      resolveInRoot("", `/${file}`, (candidate) => {
        const found = at(candidate.slice(1));
        if (found === undefined) return undefined;
        return found.kind === "symlink"
          ? { kind: "symlink", target: found.target ?? "" }
          : { kind: found.kind === "directory" ? "directory" : "other" };
      })?.slice(1),
  };
}

function unchanged(): Change {
  return { entry: undefined, hidesBase: false, below: undefined };
}

function partsOf(file: string): string[] {
  return file === "" ? [] : file.split("/");
}
