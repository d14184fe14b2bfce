import path from "node:path";
import { BootError, HelperError } from "../../runtime/base/errors.ts";
import type { Disk, SubvolumeState } from "../../runtime/disk/disk.ts";
import { baseOf, hasBase } from "../../runtime/disk/garbage/bases.ts";
import { readSubvolume } from "../../runtime/disk/btrfs.ts";
import { findTree } from "../../runtime/disk/subvolumes.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { SubvolumeRecord } from "../../runtime/records/rwlayer-state.ts";
import type { Progress } from "../cli/progress.ts";
import type { DeployDisk } from "../deploy/deploy-disk.ts";
import { withDeployDisk } from "../deploy/deploy-disk.ts";
import { comparePackages } from "../packages/compare-packages.ts";
import type { PackageChanges } from "../packages/formats/package-lists.ts";
import { holdSignals } from "../system/hold-signals.ts";
import type { StoreChoice } from "../system/find-store.ts";
import {
  compareTrees,
  type Comparison,
  type TreePair,
} from "./compare-trees.ts";
import { Replay, type Candidate } from "./formats/replay.ts";
import { SendStreamReader, StreamError } from "./formats/send-stream.ts";
import { withSnapshot } from "./snapshots.ts";

export interface DiffRequest {
  readonly store: StoreChoice;
  /** The number of an earlier root; `undefined`: of the one that runs. */
  readonly generation: number | undefined;
}

/** What has changed in a root since init got it. */
export interface RootDiff extends Comparison {
  readonly root: {
    /** Relative to the top level. */
    readonly path: string;
    /** The number of the boot that made it. */
    readonly boot: number;
    readonly image: SubvolumeRecord["image"];
  };
  /** `undefined` where that cannot be told. */
  readonly packages: PackageChanges | undefined;
  /** Subvolumes that are nested in it, as paths from `/`: what is in them is not compared. */
  readonly nested: readonly string[];
}

/**
 * Tells what has changed in a root since init got it, by its base.
 * @throws BootError BASE_MISSING where it has none, GENERATION_MISSING, NOTHING_BOOTED; HelperError
 */
export function diffRoot(
  host: Host,
  { store, generation }: DiffRequest,
  progress: Progress,
): Promise<RootDiff> {
  return holdSignals(() =>
    withDeployDisk(host, store, "rw", async (deploy) => {
      const { disk } = deploy;
      if (disk.isOverlay) {
        throw new BootError(
          "BASE_MISSING",
          "what has changed in a root that is an overlay cannot be told yet",
        );
      }
      const file = chooseRoot(deploy, generation);
      const { record } = await requireRoot(disk, file, deploy);
      const base = await requireBase(disk, record);
      const { nested } = await findTree(disk, file);
      const work = async (
        after: string,
        where: readonly Candidate[] | "send",
      ) => {
        const trees = { before: disk.at(base), after: disk.at(after) };
        const compared = await progress("comparing it with what init got", () =>
          compare(host, trees, where),
        );
        return {
          ...compared,
          root: { path: file, boot: record.boot, image: record.image },
          packages: await comparePackages(host, trees.before, trees.after),
          nested: nested
            .map(({ path: own }) => own.toString("utf8").slice(file.length))
            .sort(),
        };
      };
      // A snapshot of an earlier root would make it seem used, and nobody changes it.
      return generation === undefined
        ? withSnapshot(disk, file, record, (snapshot) => work(snapshot, "send"))
        : work(file, EVERYWHERE);
    }),
  );
}

const EVERYWHERE: readonly Candidate[] = [{ path: "", parts: "all" }];

/** Relative to the top level. @throws BootError NOTHING_BOOTED */
function chooseRoot(
  { disk, booted }: DeployDisk,
  generation: number | undefined,
): string {
  if (generation !== undefined) {
    return path.join(disk.paths.generations, String(generation));
  }
  if (typeof booted?.root === "string") return booted.root;
  throw new BootError(
    "NOTHING_BOOTED",
    "dockroot did not boot this system, so that it has no root whose changes could be told",
    { hint: "Of an earlier root: dockroot diff --generation N." },
  );
}

/** @throws BootError GENERATION_MISSING */
async function requireRoot(
  disk: Disk,
  file: string,
  { booted }: DeployDisk,
): Promise<SubvolumeState & { readonly record: SubvolumeRecord }> {
  const { state } = disk.tryToReadState();
  const found = await disk.inspect(file, state);
  const isOther =
    file === booted?.root && found.subvolume?.uuid !== booted.subvolumeUuid;
  if (found.kind === "subvolume" && found.record !== undefined && !isOther) {
    return { ...found, record: found.record };
  }
  throw new BootError(
    "GENERATION_MISSING",
    isOther
      ? `${file} is not the root that runs`
      : `there is no root of dockroot's at ${file}`,
    { hint: "dockroot status lists the earlier roots." },
  );
}

/** Relative to the top level. @throws BootError BASE_MISSING, HelperError */
async function requireBase(
  disk: Disk,
  record: SubvolumeRecord,
): Promise<string> {
  const base = baseOf(disk, record);
  if (hasBase(disk, record)) {
    const { parentUuid } = await readSubvolume(disk.host, disk.at(base));
    if (parentUuid === record.uuid) return base;
  }
  throw new BootError(
    "BASE_MISSING",
    `of the root of boot ${String(record.boot)} nothing tells what it was when init got it`,
    {
      hint: `It was made by an initramfs with an earlier dockroot, the disk was full, or something else is at ${base}. The next boot has it.`,
    },
  );
}

/**
 * @param where they may differ; `send`: where btrfs send tells that they do
 * @throws HelperError, BootError
 */
async function compare(
  host: Host,
  trees: TreePair,
  where: readonly Candidate[] | "send",
): Promise<Comparison> {
  if (where !== "send") return compareTrees(host, trees, where);
  let candidates: readonly Candidate[];
  try {
    candidates = await readCandidates(host, trees);
  } catch (error) {
    if (!(error instanceof HelperError || error instanceof StreamError)) {
      throw error;
    }
    host.log.warn(
      `every file is compared, since btrfs send does not tell which have changed: ${error.message}`,
    );
    candidates = EVERYWHERE;
  }
  return compareTrees(host, trees, candidates);
}

/** @throws HelperError, StreamError */
async function readCandidates(
  host: Host,
  { before, after }: TreePair,
): Promise<readonly Candidate[]> {
  const replay = new Replay();
  const reader = new SendStreamReader((command) => {
    replay.apply(command);
  });
  let failure: Error | undefined;
  const attempt = (work: () => void) => {
    try {
      if (failure === undefined) work();
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
    }
  };
  await host.run(
    ["btrfs", "send", "--quiet", "--no-data", "-p", before, after],
    {
      onOutput: (chunk) => {
        attempt(() => {
          reader.push(chunk);
        });
      },
    },
  );
  attempt(() => {
    reader.end();
  });
  if (failure !== undefined) throw failure;
  return replay.candidates();
}
