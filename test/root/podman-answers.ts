import { mkdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
import type { PodmanEngine } from "../../fixtures/podman-engine.ts";
import { podmanIdOf } from "../../fixtures/podman-images.ts";
import { run } from "../../fixtures/run.ts";
import { listTree, type TreeListing } from "../../fixtures/tree-listing.ts";
import type { Answers, References } from "./engine-references.ts";

/**
 * Asks podman where each reference leads, and exports each of the images.
 * @param scratch a directory that is there
 */
export async function askPodman(
  engine: PodmanEngine,
  references: References,
  scratch: string,
): Promise<Answers> {
  const ids = new Map<string, string>();
  const trees = new Map<string, TreeListing>();
  for (const text of Object.values(references).flat()) {
    const id = await podmanIdOf(engine, text);
    ids.set(text, id);
    if (trees.has(id)) continue;
    const directory = path.join(scratch, `export-${id.slice(7, 19)}`);
    trees.set(id, withoutRoot(await exportImage(engine, id, directory)));
  }
  // Podman adds what a container needs only when it starts.
  return { references, ids, trees, asExported: withoutRoot };
}

/** The image's tree as podman itself exports it from a new container. */
async function exportImage(
  { podman, shared }: PodmanEngine,
  id: string,
  directory: string,
): Promise<TreeListing> {
  const container = await podman(["create", "--network=none", id, "none"]);
  const tar = path.join(shared, "export.tar");
  await podman(["export", "--output", tar, container]);
  await podman(["rm", container]);
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
