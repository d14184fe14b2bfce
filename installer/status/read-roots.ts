import path from "node:path";
import type { Disk, PathState } from "../../runtime/disk/disk.ts";
import { generationNumbers } from "../../runtime/options/rwlayer-names.ts";
import { readSizes, type SubvolumeSizes } from "./qgroups.ts";
import type { Gaps } from "./unreadable.ts";
import type { RootOnDisk, SubvolumeSize } from "./formats/status.ts";

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
  disk: Disk,
  { subvolumeUuid, filesystemUuid }: Omit<KnownRoot, "rwlayer">,
  gaps: Gaps,
): Promise<RootOnDisk[] | null> {
  const { host, topLevel, paths } = disk;
  const facts = await gaps.attempt("the rwlayer and its generations", () =>
    disk.readFacts(),
  );
  if (facts === null) return null;
  const { stateDamage, state } = facts;
  if (stateDamage !== undefined) {
    await gaps.attempt(paths.state, () => Promise.reject(stateDamage));
  }
  const sizes = await readSizes(host, topLevel, filesystemUuid, gaps);
  const roots: RootOnDisk[] = [];
  const add = async (role: RootOnDisk["role"], file: string) => {
    const root = await gaps.attempt(file, async () => {
      const pathState = await disk.inspect(file, state);
      if (pathState.kind === "nothing") return null;
      const found: FoundRoot = { role, file, pathState };
      return describeRoot(disk, found, subvolumeUuid, sizes);
    });
    if (root !== null) roots.push(root);
  };
  await add("rwlayer", paths.rwlayer);
  for (const name of await listGenerations(disk, gaps)) {
    await add("generation", path.join(paths.generations, name));
  }
  return roots;
}

/** The newest first; names that are no numbers come last. */
async function listGenerations(disk: Disk, gaps: Gaps): Promise<string[]> {
  const isThere = await gaps.attempt("the generations", () =>
    disk.hasDirectory(disk.paths.generations),
  );
  if (isThere !== true) return [];
  const generations = disk.generationNames();
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
  disk: Disk,
  { role, file, pathState }: FoundRoot,
  bootedUuid: string,
  sizes: SubvolumeSizes | undefined,
): Promise<RootOnDisk> {
  const found = pathState.kind === "subvolume" ? pathState : undefined;
  const record = found?.record;
  const size =
    found === undefined || sizes === undefined
      ? undefined
      : await sizeOf(disk, file, sizes);
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
  disk: Disk,
  file: string,
  sizes: SubvolumeSizes,
): Promise<SubvolumeSize | undefined> {
  const command = ["btrfs", "inspect-internal", "rootid", disk.at(file)];
  const { stdout } = await disk.host.run(command);
  return sizes.get(Number(stdout.toString("utf8")));
}
