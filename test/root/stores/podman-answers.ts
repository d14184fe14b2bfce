import { mkdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
import type { PodmanEngine } from "../../../fixtures/podman-engine.ts";
import { podmanIdOf } from "../../../fixtures/podman-images.ts";
import { run } from "../../../fixtures/run.ts";
import { listTree, type TreeListing } from "../../../fixtures/tree-listing.ts";
import { askEach, type Answers, type References } from "./engine-references.ts";

/**
 * Asks podman where each reference leads, and exports each of the images.
 * @param scratch a directory that is there
 */
export async function askPodman(
  engine: PodmanEngine,
  references: References,
  scratch: string,
): Promise<Answers> {
  const asked = await askEach(references, scratch, {
    idOf: (text) => podmanIdOf(engine, text),
    exportTree: async (id, directory) =>
      withoutRoot(await exportImage(engine, id, directory)),
  });
  // Podman adds what a container needs only when it starts.
  return { ...asked, asExported: withoutRoot };
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
