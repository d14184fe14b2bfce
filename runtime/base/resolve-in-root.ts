/** What resolving needs to know of one path; `undefined` where nothing is there. */
type LookUp = (
  file: string,
) =>
  | { readonly kind: "symlink"; readonly target: string }
  | { readonly kind: "directory" | "other" }
  | undefined;

const MAX_LINKS = 40;
/** PATH_MAX: the kernel knows no longer path, so nothing stands there. */
const MAX_PATH_CHARS = 4096;

/**
 * Where `file` leads inside `root`, as a process confined to `root` would see it: absolute links
 * start at `root`, and `..` never leaves it. Names that do not exist are kept as they are.
 * @param file absolute or relative to `root`
 * @returns a path below `root`, free of symlinks as far as it exists; `undefined` where links loop, or
 * `..` comes after what is no directory
 */
export function resolveInRoot(
  root: string,
  file: string,
  lookUp: LookUp,
): string | undefined {
  const base = root.replace(/\/$/, "");
  const pending = file.split("/").reverse();
  /** The path so far and after each name before: `..` goes back to the last one. */
  const trail = [base];
  let isDirectory = true;
  let links = 0;
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (name === "" || name === ".") continue;
    if (name === "..") {
      if (!isDirectory) return undefined;
      if (trail.length > 1) trail.pop();
      continue;
    }
    const candidate = `${trail.at(-1) ?? base}/${name}`;
    const found =
      candidate.length > MAX_PATH_CHARS ? undefined : lookUp(candidate);
    if (found?.kind !== "symlink") {
      trail.push(candidate);
      isDirectory = found?.kind === "directory";
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) return undefined;
    if (found.target.startsWith("/")) trail.length = 1;
    pending.push(...found.target.split("/").reverse());
  }
  return trail.length === 1 ? root : trail.at(-1);
}
