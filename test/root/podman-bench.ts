import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
import type { Test } from "tap";
import {
  makePodmanEngine,
  type PodmanEngine,
} from "../../fixtures/podman-engine.ts";
import { ALIASES, podmanIdOf } from "../../fixtures/podman-images.ts";
import { run } from "../../fixtures/run.ts";
import {
  compareListings,
  listTree,
  type TreeListing,
} from "../../fixtures/tree-listing.ts";
import { BootError } from "../../runtime/host/errors.ts";
import { createHost } from "../../runtime/host/host.ts";
import { createLog } from "../../runtime/host/log.ts";
import { parseImageReference } from "../../runtime/image-ref.ts";
import { openPodman } from "../../runtime/stores/podman.ts";
import type { FoundImage, StoreLocation } from "../../runtime/stores/store.ts";

/** A store, and the podman that writes it. */
export interface PodmanBench {
  readonly engine: PodmanEngine;
  readonly location: StoreLocation;
  readonly scratch: string;
  readonly find: (text: string) => FoundImage;
  /** What was found, in order. */
  readonly listed: string[];
  /** How many of them wrongly. */
  wrong: number;
  /** What is wrong with an image's source, by its ID. */
  readonly compared: Map<string, readonly string[]>;
}

/** Makes a store on a btrfs. @param store its name on the disk */
export async function makePodmanBench({
  disk,
  scratch,
  store,
  storageDriver,
  engineRoot,
}: {
  readonly disk: string;
  readonly scratch: string;
  readonly store: string;
  readonly storageDriver: string;
  readonly engineRoot: string | undefined;
}): Promise<PodmanBench> {
  const graphRoot = path.join(disk, store);
  execFileSync("btrfs", ["-q", "subvolume", "create", graphRoot]);
  const engine = await makePodmanEngine({
    graphRoot,
    scratchDir: path.join(scratch, `engine-${store}`),
    storageDriver,
    registries: ALIASES,
    ...(engineRoot !== undefined && { engineRoot }),
  });
  const host = createHost("/", createLog([]));
  const location = { host, topLevel: disk, path: store };
  return {
    engine,
    location,
    scratch,
    find: (text) => openPodman(location).find(parseImageReference(text)),
    listed: [],
    wrong: 0,
    compared: new Map(),
  };
}

/** Each reference leads to what podman says, and to the tree that podman exports. */
export async function checkReferences(
  t: Test,
  bench: PodmanBench,
  references: Readonly<Record<string, readonly string[]>>,
): Promise<void> {
  for (const [kind, texts] of Object.entries(references)) {
    for (const text of texts) {
      const problems = await checkReference(bench, text);
      if (problems.length > 0) bench.wrong += 1;
      t.strictSame(problems, [], `${kind}: ${text}`);
      bench.listed.push(text);
    }
    t.comment(`${kind.padEnd(36)} ${String(texts.length).padStart(2)}`);
  }
}

async function checkReference(
  bench: PodmanBench,
  text: string,
): Promise<readonly string[]> {
  const id = await podmanIdOf(bench.engine, text);
  let found;
  try {
    found = bench.find(text);
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    return [`${error.code} ${error.message}`];
  }
  if (found.id !== id) return [`is ${found.id}, podman says ${id}`];
  const known = bench.compared.get(id);
  if (known !== undefined) return known;
  const source = listTree(path.join(bench.location.topLevel, found.source), {
    mtimes: "seconds",
  });
  const problems = compareListings(
    withoutRoot(await exportImage(bench, id)),
    withoutRoot(source),
  );
  bench.compared.set(id, problems);
  return problems;
}

/** The image's tree as podman itself exports it from a new container. */
async function exportImage(
  { engine, location, scratch }: PodmanBench,
  id: string,
): Promise<TreeListing> {
  const { podman, shared } = engine;
  const container = await podman(["create", "--network=none", id, "none"]);
  const tar = path.join(shared, "export.tar");
  await podman(["export", "--output", tar, container]);
  await podman(["rm", container]);
  const directory = path.join(
    scratch,
    `export-${id.slice(7, 19)}-${location.path}`,
  );
  mkdirSync(directory);
  await run([
    ...["tar", "--extract", "--file", tar, "--directory", directory],
    ...["--numeric-owner", "--same-owner", "--preserve-permissions"],
    ...["--xattrs", "--xattrs-include=*"],
  ]);
  await rm(tar);
  return listTree(directory, { mtimes: "seconds" });
}

/** A tar of podman's has no root directory. */
function withoutRoot(tree: TreeListing): TreeListing {
  return Object.fromEntries(Object.entries(tree).filter(([name]) => name));
}
