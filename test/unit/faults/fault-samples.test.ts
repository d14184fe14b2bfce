import t, { type Test } from "tap";
import { choosePart, createSampler } from "../../faults/campaign.ts";
import { sampleFaults } from "../../faults/choose-faults.ts";

/** As the runner sets it; the rest of the environment stays. */
function setEnvironment(tier: string, seed: number, faults = ""): void {
  process.env["TEST_TIER"] = tier;
  process.env["TEST_SEED"] = String(seed);
  process.env["FAULTS"] = faults;
}

function keepEnvironment(t: Test): void {
  const former = { ...process.env };
  t.teardown(() => {
    process.env = former;
  });
}

const count = (length: number) => Array.from({ length }, (_, index) => index);
const rounds = [count(30), count(70).map((index) => index + 30)];
const bounds = { first: 8, whole: 30 };

t.test("the first tier samples all rounds, the other is as ever", async (t) => {
  keepEnvironment(t);
  setEnvironment("first", 7);
  const { chosen, note } = choosePart(rounds, bounds);
  t.equal(chosen.length, 8);
  t.equal(note, "sample 8 of 100, seed 7");
  setEnvironment("all", 7);
  t.strictSame(choosePart(rounds, bounds), {
    chosen: rounds[0],
    note: "30 of 100",
  });
});

t.test("FAULTS wins over the tier's bound", async (t) => {
  keepEnvironment(t);
  for (const tier of ["first", "all"]) {
    setEnvironment(tier, 7, "40");
    t.equal(choosePart(rounds, bounds).chosen.length, 40);
    setEnvironment(tier, 7, "all");
    const { chosen, note } = choosePart(rounds, bounds);
    t.strictSame(chosen, rounds.flat());
    t.equal(note, "all 100");
  }
});

t.test("rounds that not every seed has are sampled whole, too", async (t) => {
  keepEnvironment(t);
  const machines = ["a", "b", "c", "d", "e", "f"];
  const injected = new Set<string>();
  for (const seed of count(3 * 4)) {
    setEnvironment("first", seed);
    const faults = sampleFaults(machines, 2, seed).flatMap((machine) =>
      count(15).map((fault) => `${machine}${String(fault)}`),
    );
    const { chosen } = choosePart([faults], bounds, 3);
    for (const fault of chosen) injected.add(fault);
  }
  t.equal(injected.size, 6 * 15);
});

t.test("a campaign takes other cases in each place", async (t) => {
  keepEnvironment(t);
  setEnvironment("first", 7);
  const sampler = createSampler();
  const taken = count(3).flatMap(() => sampler.take(count(12), 4));
  t.equal(new Set(taken).size, 12);
  t.strictSame(sampler.notes(), ["sample 12 of 36, seed 7"]);
  for (const [tier, faults] of [
    ["all", ""],
    ["first", "all"],
  ] as const) {
    setEnvironment(tier, 7, faults);
    const whole = createSampler();
    t.strictSame(whole.take(count(12), 4), count(12));
    t.strictSame(whole.notes(), []);
  }
});
