import type { TreeListing } from "../../fixtures/tree-listing.ts";
import { OWN_RECORD } from "../../runtime/disk/disk.ts";

/** A root's tree but for what dockroot writes into each: its own record, and the time of that in `/`. */
export function withoutOwnRecord({
  [OWN_RECORD]: _,
  ...listing
}: TreeListing): TreeListing {
  const { "": root, ...rest } = listing;
  return root === undefined ? rest : { "": { ...root, mtime: "" }, ...rest };
}
