import { mkdirSync } from "node:fs";
import path from "node:path";
import type { DockerEngine } from "../../fixtures/docker-engine.ts";
import { run } from "../../fixtures/run.ts";
import {
  listTree,
  type TreeEntry,
  type TreeListing,
} from "../../fixtures/tree-listing.ts";

/**
 * What docker lays over each container's tree, in place of what the image has there
 * (https://github.com/moby/moby/blob/v20.10.24/daemon/initlayer/setup_unix.go).
 */
const INIT_LAYER: Readonly<Record<string, Partial<TreeEntry>>> = {
  ".dockerenv": { kind: "file" },
  "dev/console": { kind: "file" },
  "dev/pts": { kind: "directory" },
  "dev/shm": { kind: "directory" },
  "etc/hostname": { kind: "file" },
  "etc/hosts": { kind: "file" },
  "etc/mtab": { kind: "symlink", target: "/proc/mounts" },
  "etc/resolv.conf": { kind: "file" },
  proc: { kind: "directory" },
  sys: { kind: "directory" },
};
const EMPTY_SHA256 =
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/**
 * The image's tree as docker itself exports it from a new container.
 * @param directory to unpack it in; made here
 */
export async function exportImage(
  { docker }: DockerEngine,
  image: string,
  directory: string,
): Promise<TreeListing> {
  mkdirSync(directory);
  const container = await docker(["create", "--network=none", image, "none"]);
  const tar = `${directory}.tar`;
  await docker(["export", "--output", tar, container]);
  await docker(["rm", container]);
  await run([
    ...["tar", "--extract", "--file", tar, "--directory", directory],
    ...["--numeric-owner", "--same-owner", "--preserve-permissions"],
    ...["--xattrs", "--xattrs-include=*"],
  ]);
  return listTree(directory, { mtimes: "seconds" });
}

/** What a container of this tree must look like. */
export function withInitLayer(image: TreeListing): TreeListing {
  const tree: Record<string, TreeEntry> = { ...image };
  for (const [name, what] of Object.entries(INIT_LAYER)) {
    const isDirectory = what.kind === "directory";
    if (isDirectory && image[name]?.kind === "directory") continue;
    for (
      let parent = path.dirname(name);
      parent !== ".";
      parent = path.dirname(parent)
    ) {
      tree[parent] ??= newEntry({ kind: "directory" });
    }
    tree[name] = newEntry(what);
  }
  return tree;
}

/** When docker made its layer is of no interest; a tar of docker's has no root directory. */
export function withoutInitLayerTimes(tree: TreeListing): TreeListing {
  const names = new Set(
    Object.keys(INIT_LAYER).flatMap((name) => [name, path.dirname(name)]),
  );
  return Object.fromEntries(
    Object.entries(tree)
      .filter(([name]) => name !== "")
      .map(([name, entry]) => [
        name,
        names.has(name) ? { ...entry, mtime: "" } : entry,
      ]),
  );
}

function newEntry(what: Partial<TreeEntry>): TreeEntry {
  return {
    kind: "file",
    mode: what.kind === "symlink" ? "777" : "755",
    owner: "0:0",
    mtime: "",
    ...((what.kind ?? "file") === "file" && { size: 0, sha256: EMPTY_SHA256 }),
    ...what,
  };
}
