import t from "tap";
import { takeTurns } from "../../bench/comparison.ts";
import { formatResult } from "../../bench/format-result.ts";
import { summarize } from "../../bench/statistics.ts";

t.test(
  "minimum, median and maximum of odd and even numbers of samples",
  (t) => {
    t.strictSame(summarize([30, 2, 100]), {
      minimum: 2,
      median: 30,
      maximum: 100,
    });
    t.strictSame(summarize([4, 1, 3, 20]), {
      minimum: 1,
      median: 3.5,
      maximum: 20,
    });
    t.strictSame(summarize([7]), { minimum: 7, median: 7, maximum: 7 });
    t.end();
  },
);

t.test(
  "contenders take turns, and the first round does not count",
  async (t) => {
    const order: string[] = [];
    const contender = (name: string) => ({
      name,
      measure: () => Promise.resolve(order.push(name)),
    });
    const { series } = await takeTurns(
      { title: "", unit: "ms", contenders: [contender("a"), contender("b")] },
      2,
      (_, work) => work(() => undefined),
    );
    t.equal(order.join(""), "ababab");
    t.strictSame(series, [
      { name: "a", samples: [3, 5] },
      { name: "b", samples: [4, 6] },
    ]);
  },
);

t.test("the table has the ratio of the medians to the baseline's", (t) => {
  t.equal(
    formatResult({
      title: "a tree",
      unit: "ms",
      series: [
        { name: "cp", samples: [10, 20, 30] },
        { name: "dockroot", samples: [22.04, 25, 1000] },
      ],
    }),
    `a tree
  ms, 3 runs  minimum  median  maximum  ratio
  cp             10.0    20.0     30.0
  dockroot       22.0    25.0   1000.0   1.25`,
  );
  t.end();
});
