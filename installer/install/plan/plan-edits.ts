import type { FileEdit } from "../../generators/generator.ts";
import type { Change } from "./change.ts";
import type { PresentFiles } from "./plan-install.ts";

/**
 * The edits of files that cannot be put back as they were, since somebody has changed them since.
 * @param changed the paths of those
 */
export function planEdits(
  edits: readonly FileEdit[],
  changed: readonly string[],
  present: PresentFiles,
): Change[] {
  return edits.flatMap(({ path, content }): Change[] => {
    const now = present.get(path);
    if (now === undefined || !changed.includes(path)) return [];
    const { mode, uid, gid } = now;
    return [
      { kind: "write", path, content: { text: content }, mode, uid, gid },
    ];
  });
}
