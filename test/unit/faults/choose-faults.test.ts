import t from "tap";
import { chooseFaults, sampleFaults } from "../../faults/choose-faults.ts";

const count = (length: number) => Array.from({ length }, (_, index) => index);

t.test("whole rounds come first, then a part of the next one", async (t) => {
  const rounds = [["a", "b"], ["c", "d", "e", "f"], ["g"]];
  t.strictSame(chooseFaults(rounds, 4), ["a", "b", "d", "f"]);
  t.strictSame(chooseFaults(rounds, Infinity), rounds.flat());
});

t.test("a sample has as many faults as are wanted, each once", async (t) => {
  for (const length of [1, 2, 7, 12, 100, 841]) {
    for (const wanted of [1, 3, 12, 60]) {
      for (const seed of [0, 1, 2 ** 31, 2 ** 32 - 1]) {
        const sample = sampleFaults(count(length), wanted, seed);
        t.equal(new Set(sample).size, Math.min(wanted, length));
        t.strictSame(
          sampleFaults(count(length), wanted, seed),
          sample,
          "the same seed takes the same sample",
        );
      }
    }
  }
  t.strictSame(sampleFaults([], 5, 7), []);
  t.strictSame(sampleFaults(count(9), Infinity, 7), count(9), "all, in order");
});

t.test("seeds that follow each other take all faults", async (t) => {
  for (const length of [1, 7, 48, 100, 841]) {
    for (const wanted of [1, 5, 12, 60]) {
      const samples = Math.ceil(length / wanted);
      for (const first of [0, 5, 123_456_789, 2 ** 32 - 1 - samples]) {
        const taken = count(samples).flatMap((more) =>
          sampleFaults(count(length), wanted, first + more),
        );
        t.equal(
          new Set(taken).size,
          length,
          `${String(samples)} samples of ${String(wanted)} of ${String(length)}`,
        );
      }
    }
  }
});

t.test("a sample is spread over the whole list", async (t) => {
  for (const seed of count(30)) {
    const sample = sampleFaults(count(300), 30, seed);
    for (const [stretch, fault] of sample.entries()) {
      t.equal(Math.floor(fault / 10), stretch);
    }
  }
});

t.test("faults at equal distances are not taken together", async (t) => {
  for (const seed of count(10)) {
    const kinds = sampleFaults(count(300), 30, seed).map((fault) => fault % 10);
    t.ok(new Set(kinds).size >= 5, kinds.join());
  }
});
