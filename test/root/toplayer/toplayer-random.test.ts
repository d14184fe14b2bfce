// runner: tier=first seconds=7
import fs from "node:fs";
import path from "node:path";
import t from "tap";
import { createRandom, type Random } from "../../../fixtures/random.ts";
import {
  compareListings,
  entryOf,
  listTree,
  type TreeEntry,
  type TreeListing,
} from "../../../fixtures/tree-listing.ts";
import { BootError } from "../../../runtime/base/errors.ts";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";
import { readSnapshotTree } from "../../../runtime/toplayer/snapshot-tree.ts";
import { executeMerge } from "../../../runtime/toplayer/execute-merge.ts";
import { listLayers } from "../../../runtime/toplayer/list-layer.ts";
import type {
  EntryChange,
  MergePlan,
} from "../../../runtime/tree/merge-plan.ts";
import { createMergedTree } from "../../../runtime/tree/merged-tree.ts";
import { planMerge } from "../../../runtime/tree/plan-merge.ts";
import { makeStoreDisk } from "../store-disk.ts";

const ROUNDS = Number(process.env["ROUNDS"] ?? 100);
const NAMES = ["a", "b", "c"];
const WHITEOUTS = [".wh.a", ".wh.b", ".wh..wh..opq", ".wh.."];
const TARGETS = [
  "nowhere",
  ...["a", "b", "../a", "../b", "/a", "/b/c", "/c", "..", "/", ".", "a/b"],
  ...["../../c", "/a/../b"],
] as const;

/**
 * What `dockroot toplayer check` says of each entry is what a boot does: random layers are laid over
 * random trees, and the result is compared with what comes of applying each reported change, one by
 * one, to the listing of the tree.
 */
await t.test("what is said of each entry is what is done", async (t) => {
  const { scratch, top } = await makeStoreDisk(t, "toplayer-random", {
    sizeBytes: 1024 ** 3,
  });
  const host = createHost("/", createLog([]));
  const effects = new Map<string, number>();
  for (let round = 1; round <= ROUNDS; round += 1) {
    const random = createRandom(round);
    const at = path.join(top, String(round));
    const tree = `${at}/tree`;
    fs.mkdirSync(tree, { recursive: true });
    fill(random, tree, { depth: 3, names: NAMES });
    const places = ["first", "second"].map((name) => {
      fs.mkdirSync(`${at}/${name}`);
      fill(random, `${at}/${name}`, {
        depth: 3,
        names: [...NAMES, ...WHITEOUTS],
      });
      return { at: `${at}/${name}`, isOwnerless: false };
    });
    const before = listTree(tree);
    const ofLayers = new Map(
      places.map((place) => [place.at, listTree(place.at)]),
    );
    const { layers } = await listLayers(host, places, "");
    const changes: EntryChange[] = [];
    const merged = createMergedTree(readSnapshotTree(host, tree));
    const plan = planUnlessRefused(layers, merged, (change) =>
      changes.push(change),
    );
    if (plan === undefined) {
      effects.set("refused", (effects.get("refused") ?? 0) + 1);
      continue;
    }
    await executeMerge(
      host,
      plan,
      { tree, scratch: `${scratch}/merge`, sharing: scratch },
      () => undefined,
    );
    const expected = applyAll(before, ofLayers, changes);
    const problems = compareListings(
      withoutRoot(listTree(tree)),
      withoutRoot(expected),
    );
    if (problems.length > 0) {
      t.strictSame(problems, [], `seed ${String(round)}`);
      return;
    }
    for (const { effect, through } of changes) {
      const words = through === undefined ? [effect] : [effect, "through"];
      for (const word of words) effects.set(word, (effects.get(word) ?? 0) + 1);
    }
  }
  t.comment(
    `${String(ROUNDS)} trees with two layers each: ${[...effects].map(([effect, count]) => `${String(count)} ${effect}`).join(", ")}`,
  );
  for (const effect of [
    "add",
    "replace",
    "merge",
    "delete",
    "empty",
    "skip",
    "through",
  ]) {
    t.ok((effects.get(effect) ?? 0) > 20, `there was enough to ${effect}`);
  }
});

function planUnlessRefused(
  ...args: Parameters<typeof planMerge>
): MergePlan | undefined {
  try {
    return planMerge(...args);
  } catch (error) {
    if (
      error instanceof BootError &&
      /leads through symlinks/.test(error.message)
    ) {
      return undefined;
    }
    throw error;
  }
}

function fill(
  random: Random,
  directory: string,
  { depth, names }: { depth: number; names: readonly string[] },
): void {
  const tree = { files: [] as string[], stamps: [] as string[] };
  fillDirectory(random, directory, depth, names, tree);
  // Last, the deepest first: what is made in a directory changes its times.
  for (const file of tree.stamps.toReversed()) {
    fs.lutimesSync(file, random.below(2 ** 30), random.below(2 ** 30));
  }
}

function fillDirectory(
  random: Random,
  directory: string,
  depth: number,
  names: readonly string[],
  tree: { files: string[]; stamps: string[] },
): void {
  for (const name of names) {
    const isWhiteout = name.startsWith(".wh.");
    if (isWhiteout ? !random.oneIn(9) : random.oneIn(4)) continue;
    const file = `${directory}/${name}`;
    if (!isWhiteout && depth > 0 && random.oneIn(2)) {
      fs.mkdirSync(file);
      fs.chownSync(file, random.below(9), random.below(9));
      fs.chmodSync(file, 0o700 | random.below(0o10000));
      tree.stamps.push(file);
      fillDirectory(random, file, depth - 1, names, tree);
      continue;
    }
    const former = random.oneIn(3)
      ? tree.files[random.below(tree.files.length)]
      : undefined;
    if (!isWhiteout && random.oneIn(2)) {
      fs.symlinkSync(random.pick(TARGETS), file);
    } else if (former !== undefined && !isWhiteout) {
      fs.linkSync(former, file);
      continue;
    } else {
      fs.writeFileSync(file, `${String(random.below(1000))}\n`);
      fs.chownSync(file, random.below(9), random.below(9));
      fs.chmodSync(file, random.below(0o10000));
      if (!isWhiteout) tree.files.push(file);
    }
    tree.stamps.push(file);
  }
}

/** An entry of the result, and what makes its names one file. */
interface Modelled {
  readonly entry: TreeEntry;
  readonly file: string;
}

function applyAll(
  before: TreeListing,
  ofLayers: ReadonlyMap<string, TreeListing>,
  changes: readonly EntryChange[],
): TreeListing {
  const model = new Map<string, Modelled>();
  for (const [name, entry] of Object.entries(before)) {
    model.set(name, modelOf("base", name, entry));
  }
  const removeBelow = (directory: string) => {
    for (const name of [...model.keys()]) {
      if (directory === "" ? name !== "" : name.startsWith(`${directory}/`)) {
        model.delete(name);
      }
    }
  };
  for (const { effect, layer, path: from, target } of changes) {
    const entry = entryOf(ofLayers.get(layer.at) ?? {}, from);
    if (effect === "empty") removeBelow(target);
    if (effect === "delete" || effect === "replace") {
      removeBelow(target);
      model.delete(target);
    }
    const isRoot = target === "";
    if (["add", "replace", "merge"].includes(effect) && !isRoot) {
      model.set(target, modelOf(layer.at, from, entry));
    }
  }
  const namesOf = Map.groupBy(model.keys(), (name) => model.get(name)?.file);
  return Object.fromEntries(
    [...model].map(([name, { entry, file }]) => {
      const { names: _names, ...rest } = entry;
      const names = namesOf.get(file) ?? [];
      return [
        name,
        names.length > 1 && entry.kind !== "directory"
          ? { ...rest, names: names.toSorted() }
          : rest,
      ];
    }),
  );
}

function modelOf(tree: string, name: string, entry: TreeEntry): Modelled {
  return { entry, file: `${tree}:${entry.names?.[0] ?? name}` };
}

function withoutRoot(tree: TreeListing): TreeListing {
  return { ...tree, "": { ...entryOf(tree, ""), mtime: "" } };
}
