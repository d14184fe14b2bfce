import path from "node:path";
import { PrivateError } from "../base/errors.ts";
import type { Host } from "../host/host.ts";
import { copyAttributes } from "./copy-attributes.ts";
import { createCopyProgress, type CopyProgress } from "./copy-progress.ts";
import { bytesOf, type ListedLayer } from "../tree/layer.ts";
import type { MergeAction, MergePlan } from "../tree/merge-plan.ts";

/** Where the actions of a plan work. Absolute paths. */
export interface MergePlaces {
  /** The tree that layers are laid over. */
  readonly tree: string;
  /** Where to mount what copying attributes takes. */
  readonly scratch: string;
}

/**
 * Lays layers over a tree as it was planned.
 * @param tellProgress gets what tells how far it is
 * @throws PrivateError
 */
export async function executeMerge(
  host: Host,
  { actions }: MergePlan,
  places: MergePlaces,
  tellProgress: (describe: () => string) => void,
): Promise<void> {
  const layers = new Set(
    actions.flatMap((action) => ("layer" in action ? [action.layer] : [])),
  );
  const total = [...layers].reduce((sum, layer) => sum + layer.entryCount, 0);
  const progress = createCopyProgress(host, total);
  tellProgress(progress.describe);
  try {
    for (const action of actions) await perform(host, action, places, progress);
  } catch (cause) {
    throw new PrivateError(cause);
  }
}

async function perform(
  host: Host,
  action: MergeAction,
  { tree, scratch }: MergePlaces,
  progress: CopyProgress,
): Promise<void> {
  const inTree = (file: string) => bytesOf(tree, file);
  switch (action.kind) {
    case "fillGap":
      host.files.replaceEmptyDirectory(inTree(action.gap.path), action.gap);
      return;
    case "remove":
      host.files.removeTree(inTree(action.path));
      return;
    case "empty":
      host.files.emptyDirectory(inTree(action.path));
      return;
    case "clearSpecialBits":
      host.files.clearSpecialBits(inTree(action.path));
      return;
    case "makeDirectory":
      host.files.makeDirectory(inTree(action.path));
      return;
    case "copy": {
      const { layer, from, names, to } = action;
      await runCopy(host, progress, layer, from, [
        `--target-directory=${inTree(to).toString()}`,
        "--",
        ...names.map((name) => Buffer.from(name, "latin1").toString()),
      ]);
      return;
    }
    case "copyDirectory": {
      const { layer, from, to } = action;
      const target = inTree(to).toString();
      await runCopy(host, progress, layer, from, [
        ...["--no-target-directory", "--", ".", target],
      ]);
      return;
    }
    case "link":
      host.files.replaceByLink(inTree(action.existing), inTree(action.path));
      return;
    case "copyAttributes": {
      const { at } = action.layer;
      const pairs = action.directories.map(({ from, to }) => ({
        from: bytesOf(at, from).toString(),
        to: inTree(to).toString(),
      }));
      await copyAttributes(host, pairs, scratch);
      return;
    }
    case "giveToRoot":
      for (const { path: file, mode } of action.modes) {
        host.files.giveToRoot(inTree(file), mode);
      }
      return;
    default:
      return action satisfies never;
  }
}

/**
 * Owners, modes, times, hard links, xattrs, ACLs and special files as they are, data shared where both
 * are on one filesystem. What a file or a symlink replaces is removed first, so that nothing is ever
 * written through a symlink.
 */
async function runCopy(
  host: Host,
  progress: CopyProgress,
  { at, isOwnerless }: ListedLayer,
  directory: string,
  args: readonly string[],
): Promise<void> {
  await host.run(
    [
      ...["cp", "--archive", "--reflink=auto", "--remove-destination"],
      ...(isOwnerless ? ["--no-preserve=mode,ownership"] : []),
      ...["--verbose", ...args],
    ],
    {
      directory: path.join(at, Buffer.from(directory, "latin1").toString()),
      onStart: progress.startCall,
      onOutput: progress.count,
    },
  );
}
