import type { Host } from "../../runtime/host/host.ts";
import { bytesOf } from "../../runtime/tree/layer.ts";
import type { Progress } from "../cli/progress.ts";
import { inBatches } from "../diff/batches.ts";
import { withComparedRoot } from "../diff/diff-root.ts";
import { chooseChanges } from "../diff/formats/format-diff.ts";
import type { ToldChange } from "../diff/formats/group-changes.ts";
import type { StoreChoice } from "../system/find-store.ts";

export interface DiscardRequest {
  readonly store: StoreChoice;
  /** Absolute: what has changed there, or below. */
  readonly paths: readonly string[];
  readonly isDry: boolean;
  /** Is shown what would be lost. */
  readonly confirm: (changes: readonly ToldChange[]) => Promise<boolean>;
}

/**
 * Makes what has changed in the root that runs what it was when init got it.
 * @returns what was, or would be, undone; nothing where that was not confirmed
 * @throws BootError as `withComparedRoot`; HelperError
 */
export function discard(
  host: Host,
  { store, paths, isDry, confirm }: DiscardRequest,
  progress: Progress,
): Promise<readonly ToldChange[]> {
  return withComparedRoot(
    host,
    { store, generation: undefined },
    progress,
    async ({ trees, diff, deploy }) => {
      const { chosen } = chooseChanges({ diff, paths, isAll: true });
      if (isDry || chosen.length === 0) return chosen;
      if (!(await confirm(chosen))) return [];
      // What is mounted over a directory of the root hides nothing of it there.
      const root = deploy.disk.at(diff.root.path);
      await restore(host, trees.before, root, chosen);
      return chosen;
    },
  );
}

async function restore(
  host: Host,
  base: string,
  root: string,
  changes: readonly ToldChange[],
): Promise<void> {
  const { files } = host;
  const isGone = ({ kind, aspects }: ToldChange) =>
    kind === "added" || aspects.includes("type");
  for (const { path } of changes.filter(isGone)) {
    files.removeTree(bytesOf(root, path));
  }
  const restored = changes.filter(({ kind }) => kind !== "added");
  const isDirectory = ({ path }: ToldChange) =>
    files.statusOf(bytesOf(base, path))?.kind === "directory" &&
    files.statusOf(bytesOf(root, path)) !== undefined;
  const paths = restored
    .filter((change) => !isDirectory(change))
    .map(({ shown }) => `.${shown}`);
  for (const batch of inBatches(paths)) {
    await host.run(
      [
        ...["cp", "--archive", "--parents", "--reflink=auto"],
        ...["--remove-destination", "--", ...batch, root],
      ],
      { directory: base },
    );
  }
  for (const { shown } of restored.filter(isDirectory)) {
    files.copyOwnerModeTimes(`${base}${shown}`, `${root}${shown}`);
  }
}
