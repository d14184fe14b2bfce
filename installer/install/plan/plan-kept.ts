import { writeChange, type Change } from "./change.ts";
import { KEPT_DIRECTORY } from "./manifest.ts";
import type { PresentFiles } from "./plan-files.ts";
import type { FileEdit } from "../../generators/generator.ts";

/** A file of ours that somebody has changed since, and that uninstall therefore keeps. */
export interface KeptFile {
  readonly path: string;
  /** Where it is kept; `undefined`: where it is. */
  readonly keptAs: string | undefined;
}

/**
 * What becomes of files that were changed since. A hook cannot stay where it is: without the
 * executable it would end every build of an initramfs.
 * @param hooks the paths of the generator's own files
 */
export function planKept(
  changed: readonly string[],
  hooks: ReadonlySet<string>,
  present: PresentFiles,
): { readonly kept: readonly KeptFile[]; readonly changes: readonly Change[] } {
  const changes: Change[] = [];
  const kept = changed.map((path): KeptFile => {
    const now = present.get(path);
    if (!hooks.has(path) || now === undefined) {
      return { path, keptAs: undefined };
    }
    const keptAs = `${KEPT_DIRECTORY}${path}`;
    changes.push(writeChange(keptAs, { copyOf: path }, now), {
      kind: "remove",
      path,
    });
    return { path, keptAs };
  });
  return { kept, changes };
}

/**
 * The edits of files that cannot be put back as they were, since somebody has changed them since.
 * @param changed the paths of those
 */
export function planEdits(
  edits: readonly FileEdit[],
  changed: readonly string[],
  present: PresentFiles,
): Change[] {
  return edits.flatMap(({ path, content }) => {
    const now = present.get(path);
    return now !== undefined && changed.includes(path)
      ? writeChange(path, { text: content }, now)
      : [];
  });
}
