import t from "tap";
import {
  chooseRemovals,
  countTransactions,
  goesWithRoot,
  wasUsed,
} from "../../../runtime/plan/choose-removals.ts";
import type { SubvolumeRecord } from "../../../runtime/records/rwlayer-state.ts";
import { nextGeneration } from "../../../runtime/options/rwlayer-names.ts";

type Told = Pick<SubvolumeRecord, "handedOver" | "isCopy" | "complete"> & {
  readonly madeBy: number;
};

const LAST_CHANGE = 100;

/** The numbers of those that go of generations 1, 2, ... */
function removed(limit: number, ...generations: Partial<Told>[]): number[] {
  const roots = generations.map(({ madeBy = 95, ...told }, index) => ({
    file: String(index + 1),
    record: {
      ...{ uuid: "", boot: 1, complete: true, source: "", toplayer: null },
      image: { reference: "", id: "" },
      ...told,
    },
    lastChange: LAST_CHANGE,
    madeBy,
  }));
  return chooseRemovals(roots, limit).map(({ file }) => Number(file));
}

const used = { handedOver: LAST_CHANGE - 20 };

const brief = { handedOver: LAST_CHANGE - 19 };

const killed = { handedOver: null };

const unknown = {};

t.test("the newest are kept", async (t) => {
  for (const root of [used, brief, killed, unknown]) {
    t.strictSame(removed(1, root, root, root), [1, 2]);
    t.strictSame(removed(2, root, root, root), [1]);
    t.strictSame(removed(3, root, root, root), []);
  }
  t.strictSame(removed(0, used, brief, killed, unknown), [1, 2, 3, 4]);
});

t.test("what was not used pushes out nothing that was", async (t) => {
  t.strictSame(removed(1, used, brief, killed, brief), [2, 3]);
  t.strictSame(removed(1, unknown, killed, brief, killed), [2, 3]);
  t.strictSame(removed(2, used, used, brief, killed, brief), [3]);
});

t.test(
  "a root whose handing over is not known was used for as long",
  async (t) => {
    const worked = { handedOver: null, madeBy: LAST_CHANGE - 20 };
    t.strictSame(removed(1, worked, brief, killed), [2]);
  },
);

t.test("an overlay was used where changes lie ten minutes apart", async (t) => {
  const boot = {
    complete: true,
    source: "",
    toplayer: null,
    uuid: "",
    boot: 1,
  };
  const isUsed = (told: object, ...minutes: number[]) =>
    wasUsed({
      record: { ...boot, image: { reference: "", id: "" }, ...told },
      ...countTransactions(minutes.map((minute) => minute * 60_000)),
    });
  t.notOk(isUsed({ handedOver: null }, 1e7));
  t.notOk(isUsed({ handedOver: null }, 1e7, 1e7 + 9.9, 1e7 + 1));
  t.ok(isUsed({ handedOver: null }, 1e7, 1e7 + 10));
  t.ok(isUsed({ handedOver: null }, 1e7, 1e7 - 10), "the clock was set back");
  t.ok(isUsed({}, 1e7), "made before that was recorded");
});

t.test("what was used pushes out all that is older", async (t) => {
  t.strictSame(removed(1, used, brief, used), [1, 2]);
  t.strictSame(removed(1, brief, used, brief), [1]);
  t.strictSame(removed(2, used, used, brief, used), [1]);
  t.strictSame(removed(1, used, unknown), [1]);
});

t.test("a removal that was interrupted is finished", async (t) => {
  const broken = { complete: false, ...used };
  t.strictSame(removed(1, used, broken), [2]);
  t.strictSame(removed(5, broken, used), [1]);
});

t.test("a copy is neither removed nor counted", async (t) => {
  const copy = { isCopy: true, ...used };
  t.strictSame(removed(1, copy, used, copy, used, copy), [2]);
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
    "var/lib/docker/volumes/mine/_data",
    "var/lib/containers/storage/volumes/mine/_data",
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
