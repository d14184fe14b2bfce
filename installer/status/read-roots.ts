import path from "node:path";
import { lookAtRwlayer, standingAt } from "../../runtime/disk/standing.ts";
import type { Host } from "../../runtime/host/host.ts";
import {
  generationNumbers,
  rwlayerPaths,
  type RwlayerPaths,
} from "../../runtime/options/rwlayer-names.ts";
import { describeRoot, type FoundRoot } from "./describe-root.ts";
import { readSizes } from "./read-sizes.ts";
import { requireDirectories } from "./require-directories.ts";
import type { RootOnDisk } from "./formats/status.ts";
import type { Gaps } from "./unreadable.ts";

/** For each, helpers run. */
const MAX_GENERATIONS = 100;

export interface KnownRoot {
  readonly rwlayer: string;
  readonly subvolumeUuid: string;
  readonly filesystemUuid: string | null;
}

/**
 * Lists the rwlayer and its generations, the newest first; `null` where what stands there cannot be
 * told.
 */
export async function readRoots(
  host: Host,
  topLevel: string,
  { rwlayer, subvolumeUuid, filesystemUuid }: KnownRoot,
  gaps: Gaps,
): Promise<RootOnDisk[] | null> {
  const paths = rwlayerPaths(rwlayer);
  const disk = await gaps.attempt("the rwlayer and its generations", () =>
    lookAtRwlayer(host, topLevel, paths),
  );
  if (disk === null) return null;
  const { stateDamage, state } = disk;
  if (stateDamage !== undefined) {
    await gaps.attempt(paths.state, () => Promise.reject(stateDamage));
  }
  const sizes = await readSizes(host, topLevel, filesystemUuid, gaps);
  const roots: RootOnDisk[] = [];
  const add = async (role: RootOnDisk["role"], file: string) => {
    const root = await gaps.attempt(file, async () => {
      const standing = await standingAt(host, topLevel, file, state);
      if (standing.kind === "nothing") return null;
      const found: FoundRoot = { role, file, standing };
      return describeRoot(host, topLevel, found, subvolumeUuid, sizes);
    });
    if (root !== null) roots.push(root);
  };
  await add("rwlayer", rwlayer);
  for (const name of await listGenerations(host, topLevel, paths, gaps)) {
    await add("generation", path.join(paths.generations, name));
  }
  return roots;
}

/** The newest first; names that are no numbers come last. */
async function listGenerations(
  host: Host,
  topLevel: string,
  paths: RwlayerPaths,
  gaps: Gaps,
): Promise<string[]> {
  const isThere = await gaps.attempt("the generations", () =>
    requireDirectories(host, topLevel, paths.generations),
  );
  if (isThere !== true) return [];
  const generations = host.files.namesIn(
    path.join(topLevel, paths.generations),
  );
  const numbers = generationNumbers(generations).map(String).toReversed();
  const others = generations.filter((name) => !numbers.includes(name));
  const left = generations.length - MAX_GENERATIONS;
  if (left > 0) {
    gaps.add({
      what: `${String(left)} more generations`,
      why: `no more than ${String(MAX_GENERATIONS)} are looked at`,
      hint: null,
    });
  }
  return [...numbers, ...others].slice(0, MAX_GENERATIONS);
}
