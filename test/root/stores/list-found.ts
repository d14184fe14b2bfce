import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import {
  listTree,
  type ListingOptions,
  type TreeListing,
} from "../../../fixtures/tree-listing.ts";
import type { FoundImage } from "../../../runtime/stores/store.ts";

/**
 * Lists the whole tree of an image that was found. Of layers overlayfs makes it, for as long as that takes.
 * @param scratch a directory
 * @param topLevel where the filesystem of the store is mounted
 */
export function listFound(
  scratch: string,
  topLevel: string,
  { tree }: FoundImage,
  options: ListingOptions,
): TreeListing {
  if (tree.kind === "subvolume") {
    return listTree(path.join(topLevel, tree.source), options);
  }
  const place = fs.mkdtempSync(path.join(scratch, "overlay-"));
  // mount(8) takes so many bytes alone: short names, relative to its working directory.
  const names = tree.layers.map(({ directory }, index) => {
    const name = String(index);
    fs.symlinkSync(path.join(topLevel, directory), path.join(place, name));
    return name;
  });
  const merged = path.join(place, "merged");
  for (const name of ["empty", "merged"]) fs.mkdirSync(path.join(place, name));
  // Two it must be.
  if (names.length === 1) names.push("empty");
  execFileSync(
    "mount",
    ["-t", "overlay", "-o", `ro,lowerdir=${names.join(":")}`, "x", merged],
    { cwd: place, env: { ...process.env, LIBMOUNT_FORCE_MOUNT2: "always" } },
  );
  try {
    return listTree(merged, options);
  } finally {
    execFileSync("umount", [merged]);
    fs.rmSync(place, { recursive: true });
  }
}
