import t from "tap";
import { chooseRemovals, goesWithRoot } from "../../runtime/choose-removals.ts";
import {
  nextGeneration,
  type SubvolumeRecord,
} from "../../runtime/rwlayer-state.ts";

type Told = Pick<SubvolumeRecord, "reached" | "isCopy" | "complete">;

/** The numbers of those that go of generations 1, 2, ... */
function removed(limit: number, ...generations: Partial<Told>[]): number[] {
  const roots = generations.map((told, index) => ({
    file: String(index + 1),
    record: {
      ...{ uuid: "", boot: 1, complete: true, source: "", toplayer: null },
      image: { reference: "", id: "" },
      ...told,
    },
  }));
  return chooseRemovals(roots, limit).map(({ file }) => Number(file));
}

const reached = { reached: true };
const unreached = { reached: false };

t.test("the newest are kept", async (t) => {
  t.strictSame(removed(1, reached, reached, reached), [1, 2]);
  t.strictSame(removed(2, reached, reached, reached), [1]);
  t.strictSame(removed(3, reached, reached, reached), []);
  t.strictSame(removed(0, reached, unreached), [1, 2]);
});

t.test("what init never had pushes out nothing that it had", async (t) => {
  t.strictSame(removed(1, reached, unreached, unreached, unreached), [2, 3]);
  t.strictSame(removed(1, unreached, reached, reached), [2]);
});

t.test("what was made before that was recorded counts as had", async (t) => {
  t.strictSame(removed(1, {}, {}, unreached), [1]);
  t.strictSame(removed(1, {}, reached), [1]);
});

t.test("a removal that was interrupted is finished", async (t) => {
  const broken = { complete: false, reached: true };
  t.strictSame(removed(1, reached, broken), [2]);
  t.strictSame(removed(5, broken, reached), [1]);
});

t.test("a copy is neither removed nor counted", async (t) => {
  const copy = { isCopy: true, reached: true };
  t.strictSame(removed(1, copy, reached, copy, reached, copy), [2]);
  t.strictSame(removed(0, copy), []);
});

t.test("which nested subvolumes go with a root", async (t) => {
  for (const file of [
    "var/lib/machines",
    "var/lib/portables",
    "var/lib/docker/btrfs/subvolumes/0a",
  ]) {
    t.ok(goesWithRoot(file), file);
  }
  for (const file of [
    "home",
    "home/user/data",
    ".snapshots/1/snapshot",
    "var/lib/machines/debian",
    "var/lib/docker",
    "var/lib/dockerx/a",
    "srv/var/lib/docker/a",
  ]) {
    t.notOk(goesWithRoot(file), file);
  }
});

t.test("the next generation's number", async (t) => {
  for (const [names, next] of [
    [[], 1],
    [["1", "2"], 3],
    [["7", "staging", "007", "1e3"], 8],
    [["3", "999999999"], 4],
    [["3", "4", "999999998", "999999999"], 5],
    [["3", "999999999999999"], 4],
    [["999999999"], 1],
  ] as const) {
    t.equal(nextGeneration(names), String(next), names.join(" "));
  }
});
