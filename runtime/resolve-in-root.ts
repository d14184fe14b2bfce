import path from "node:path";

/** What resolving needs to know of one path; `undefined` where nothing is there. */
export type LookUp = (
  file: string,
) =>
  | { readonly kind: "symlink"; readonly target: string }
  | { readonly kind: "other" }
  | undefined;

const MAX_LINKS = 40;

/**
 * Where `file` leads inside `root`, as a process confined to `root` would see it: absolute links
 * start at `root`, and `..` never leaves it. Names that do not exist are kept as they are.
 * @param file absolute or relative to `root`
 * @returns a path below `root`, free of symlinks as far as it exists; `undefined` where links loop
 */
export function resolveInRoot(
  root: string,
  file: string,
  lookUp: LookUp,
): string | undefined {
  const pending = file.split("/").reverse();
  let resolved: string[] = [];
  let links = 0;
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (name === "" || name === ".") continue;
    if (name === "..") {
      resolved = resolved.slice(0, -1);
      continue;
    }
    const found = lookUp(path.join(root, ...resolved, name));
    if (found?.kind !== "symlink") {
      resolved = [...resolved, name];
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) return undefined;
    if (found.target.startsWith("/")) resolved = [];
    pending.push(...found.target.split("/").reverse());
  }
  return path.join(root, ...resolved);
}
