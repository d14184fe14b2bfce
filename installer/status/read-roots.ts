import path from "node:path";
import type { Disk } from "../../runtime/disk/disk.ts";
import { generationNumbers } from "../../runtime/options/rwlayer-names.ts";
import { readSizes, type SubvolumeSizes } from "./qgroups.ts";
import { measureRoot } from "./disk-usage.ts";
import type { Gaps } from "./unreadable.ts";
import type { RootOnDisk, RootSize } from "./formats/status.ts";

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
  const sizes = disk.isOverlay
    ? undefined
    : await readSizes(host, topLevel, filesystemUuid, gaps);
  const describe = async (role: RootOnDisk["role"], file: string) => {
    const pathState = await disk.inspect(file, state);
    if (pathState.kind === "nothing") return null;
    const { record, subvolume } = pathState;
    const uuid = subvolume?.uuid ?? record?.uuid ?? null;
    const size =
      pathState.kind === "root"
        ? await gaps.attempt(`the size of ${file}`, () =>
            measureRoot(disk, file),
          )
        : subvolume && sizes && (await sizeOf(disk, file, sizes));
    return {
      role,
      path: file,
      uuid,
      isRoot: uuid === subvolumeUuid,
      state: pathState.kind === "begun" ? "incomplete" : describeState(record),
      boot: record?.boot ?? null,
      image: record?.image ?? null,
      size: size ?? null,
    } as const;
  };
  const roots = [
    await gaps.attempt(paths.rwlayer, () => describe("rwlayer", paths.rwlayer)),
  ];
  for (const name of await listGenerations(disk, gaps)) {
    const file = path.join(paths.generations, name);
    roots.push(await gaps.attempt(file, () => describe("generation", file)));
  }
  return roots.filter((root) => root !== null);
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
): Promise<RootSize | undefined> {
  const command = ["btrfs", "inspect-internal", "rootid", disk.at(file)];
  const { stdout } = await disk.host.run(command);
  return sizes.get(Number(stdout.toString("utf8")));
}
