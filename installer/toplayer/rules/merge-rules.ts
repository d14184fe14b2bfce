import { isEssential, type EntryRule } from "./problem.ts";

/** What the merge does that its owner may not expect. */
export const MERGE_RULES: readonly EntryRule[] = [
  {
    rule: "unreadable",
    level: "error",
    find: ({ path, refused }) =>
      refused !== undefined &&
      `${path} cannot be read (${refused}): the boot fails when it is copied`,
    remedy: "Restore the file, or remove it from the top layer.",
  },
  {
    rule: "replaced",
    level: ({ kind, target }) =>
      kind !== "directory" && isEssential(target) ? "error" : "warning",
    find: ({ effect, kind, replaced, path, target }) => {
      if (effect !== "replace") return false;
      if (kind !== "directory" && replaced !== "directory") return false;
      const where = path === target ? "" : `, at ${target}`;
      const all = replaced === "directory" ? ", with all that is in it" : "";
      const dead =
        replaced === "symlink" ? ", which leads to no directory" : "";
      return `the ${kind} ${path} replaces a ${String(replaced)} of the image${dead}${all}${where}`;
    },
    remedy:
      "Where that is not meant, remove it from the top layer or give it another name.",
  },
  {
    rule: "whiteout-idle",
    level: "warning",
    find: ({ effect, replaced, path, target }) =>
      effect === "delete" &&
      replaced === null &&
      `the whiteout ${path} deletes nothing: there is no ${target}`,
    remedy: "Correct its name, or remove it.",
  },
  {
    rule: "socket",
    level: "warning",
    find: ({ effect, kind, path }) =>
      effect === "skip" &&
      kind === "socket" &&
      `the socket ${path} is not copied`,
    remedy: "Remove it: the program that listens there makes it anew.",
  },
  {
    rule: "whiteout-invalid",
    level: "warning",
    find: ({ effect, kind, path }) =>
      effect === "skip" &&
      kind !== "socket" &&
      `${path} is not a valid whiteout, and is not copied`,
    remedy:
      "Write .wh.NAME to delete NAME, or .wh..wh..opq to empty the directory.",
  },
];
