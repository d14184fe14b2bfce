// runner: tier=first seconds=5
import t from "tap";
import { overlayListing } from "../../../fixtures/overlay-listing.ts";
import {
  compareListings,
  entryOf,
  listTree,
  type TreeListing,
} from "../../../fixtures/tree-listing.ts";
import {
  moveEntry,
  partOf,
  withoutEntry,
} from "../../../fixtures/tree-listing-parts.ts";
import { makeBootDisk, rehearse } from "../boot-disk.ts";
import { CASES, IMAGE_KINDS, type Outcome } from "./toplayer-case-table.ts";
import {
  caseDirectory,
  ENTRY,
  layerKinds,
  makeImageCases,
  makeLayerCases,
  TARGET,
} from "./toplayer-case-trees.ts";

// What stands in the top layer, on what stands in the image: one boot, a directory for each case.

const disk = await makeBootDisk(t, "toplayer-cases", (tree) =>
  makeImageCases(`${tree}/cases`),
);
await disk.look((top) => makeLayerCases(`${top}/layer/cases`, disk.scratch));
let warnings: readonly string[] = [];
let image: TreeListing = {};
let layer: TreeListing = {};
let root: TreeListing = {};

await t.test("all cases are laid over the image by one boot", async (t) => {
  const machine = rehearse(t, disk, "cases");
  const options = `toplayer=LABEL=${disk.label} toplayer_path=layer`;
  const { status, stderr } = machine.boot(options);
  t.equal(status, 0, stderr);
  t.equal(machine.finish().status, 0);
  const record = machine.record();
  const list = (directory: string) =>
    disk.look((top) => listTree(`${top}/${directory}/cases`));
  warnings = machine.warnings();
  image = await list(record.source ?? "");
  layer = await list("layer");
  root = await list("cases");
});

for (const layerKind of layerKinds) {
  for (const [index, imageKind] of IMAGE_KINDS.entries()) {
    const outcome = CASES[layerKind][index] ?? "nothing";
    await t.test(`${layerKind} onto ${imageKind}: ${outcome}`, (t) => {
      const directory = caseDirectory(layerKind, imageKind);
      const expected = expectTree(outcome, directory);
      t.strictSame(compareListings(partOf(root, directory), expected), []);
      const told = warnings.filter((warning) =>
        warning.includes(` /cases/${directory}/${ENTRY} `),
      );
      t.equal(told.length, outcome.endsWith(", told") ? 1 : 0, "is told");
      t.end();
    });
  }
}

/** What must become of a directory that both the image and the top layer have. */
function expectTree(outcome: Outcome, directory: string): TreeListing {
  const [entry, target] = [`${directory}/${ENTRY}`, `${directory}/${TARGET}`];
  const below = partOf(image, directory);
  const above = partOf(layer, directory);
  const aboveItself = { [directory]: entryOf(layer, directory) };
  switch (outcome) {
    case "added":
    case "merged":
      return overlayListing(below, above);
    case "replaced":
    case "replaced, told":
      return overlayListing(withoutEntry(below, entry), above);
    case "merged in the target":
      return overlayListing(below, moveEntry(above, entry, target));
    case "removed":
      return overlayListing(withoutEntry(below, entry), aboveItself);
    case "nothing":
    case "nothing, told":
    case "kept, told":
      return overlayListing(below, aboveItself);
  }
}
