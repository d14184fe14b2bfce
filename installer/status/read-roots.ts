import path from "node:path";
import { readRwlayer, readPathState } from "../../runtime/disk/path-state.ts";
import type { Host } from "../../runtime/host/host.ts";
import {
  generationNumbers,
  rwlayerPaths,
  type RwlayerPaths,
} from "../../runtime/options/rwlayer-names.ts";
import { readSizes, type SubvolumeSizes } from "./qgroups.ts";
import { requireDirectories, type Gaps } from "./unreadable.ts";
import type { RootOnDisk, SubvolumeSize } from "./formats/status.ts";
import type { PathState } from "../../runtime/plan/facts.ts";

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
    readRwlayer(host, topLevel, paths),
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
      const pathState = await readPathState(host, topLevel, file, state);
      if (pathState.kind === "nothing") return null;
      const found: FoundRoot = { role, file, pathState };
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

export interface FoundRoot {
  readonly role: RootOnDisk["role"];
  /** Relative to the top level. */
  readonly file: string;
  readonly pathState: PathState;
}

/** @throws HelperError */
export async function describeRoot(
  host: Host,
  topLevel: string,
  { role, file, pathState }: FoundRoot,
  bootedUuid: string,
  sizes: SubvolumeSizes | undefined,
): Promise<RootOnDisk> {
  const found = pathState.kind === "subvolume" ? pathState : undefined;
  const record = found?.record;
  const size =
    found === undefined || sizes === undefined
      ? undefined
      : await sizeOf(host, path.join(topLevel, file), sizes);
  return {
    role,
    path: file,
    uuid: found?.subvolume.uuid ?? null,
    isRoot: found?.subvolume.uuid === bootedUuid,
    state: describeState(record),
    boot: record?.boot ?? null,
    image: record?.image ?? null,
    size: size ?? null,
  };
}

function describeState(
  record: { readonly complete: boolean } | undefined,
): RootOnDisk["state"] {
  if (record === undefined) return "foreign";
  return record.complete ? "complete" : "incomplete";
}

async function sizeOf(
  host: Host,
  file: string,
  sizes: SubvolumeSizes,
): Promise<SubvolumeSize | undefined> {
  const command = ["btrfs", "inspect-internal", "rootid", file];
  const { stdout } = await host.run(command);
  return sizes.get(Number(stdout.toString("utf8")));
}
