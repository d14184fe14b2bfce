import t from "tap";
import { groupMarks, groupSteps } from "../../../bench/boot-parts.ts";
import { takeTurns } from "../../../bench/comparison.ts";
import { formatMarkdown, formatResult } from "../../../bench/format-result.ts";
import { parseKernelLog } from "../../../bench/parse-kernel-log.ts";
import { drawCharts } from "../../../bench/plot/bars.ts";
import { planCharts } from "../../../bench/plot/boot-charts.ts";
import { fillTables } from "../../../bench/plot/fill-tables.ts";
import type { EntryResult } from "../../../bench/results.ts";
import { summarize } from "../../../bench/statistics.ts";
import { tabulate } from "../../../bench/tabulate.ts";

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
    const compare = (...names: string[]) => ({
      title: "",
      unit: "ms" as const,
      contenders: names.map(contender),
    });
    const results = await takeTurns(
      [compare("a", "b"), compare("c")],
      2,
      (_, work) => work(() => undefined),
    );
    t.equal(order.join(""), "abcabcabc");
    t.strictSame(
      results.map(({ series }) => series),
      [
        [
          { name: "a", samples: [4, 7] },
          { name: "b", samples: [5, 8] },
        ],
        [{ name: "c", samples: [6, 9] }],
      ],
    );
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

const boot = {
  title: "a boot",
  unit: "ms",
  series: [
    {
      name: "shell script",
      samples: [30, 31, 29],
      parts: [
        { snapshot: 10, rest: 20 },
        { snapshot: 11, rest: 20 },
        { snapshot: 8, rest: 21 },
      ],
    },
    {
      name: "dockroot",
      samples: [15],
      parts: [{ "start-up": 5, snapshot: 10 }],
    },
  ],
} as const;

t.test("where the time goes stands in a table of its own", (t) => {
  t.equal(
    formatResult(boot).split("\n\n")[1],
    `a boot: where it goes
  ms, medians  shell script  dockroot
  snapshot             10.0      10.0
  rest                 20.0
  start-up                        5.0`,
  );
  t.end();
});

t.test("what is measured once has no minimum and maximum", (t) => {
  const [table] = tabulate({
    title: "sizes | all",
    unit: "MB",
    series: [
      { name: "cat", samples: [10] },
      { name: "xz", samples: [2.5] },
    ],
  });
  if (table === undefined) throw new Error("no table");
  t.equal(
    formatMarkdown(table),
    `**sizes | all**

| MB |  | ratio |
| --- | ---: | ---: |
| cat | 10.0 |  |
| xz | 2.5 | 0.25 |`,
  );
  t.end();
});

t.test("the parts of a boot add up to the whole process", (t) => {
  const steps = Object.entries({
    "find the root device LABEL=linux": 2,
    "mount /dev/loop0 at /run/dockroot/toplevel": 6,
    "look at docker_rwlayer": 0.5,
    "find the image system:1 in docker": 3,
    "find the top layer's device LABEL=own": 1,
    "mount /dev/loop1 at /run/dockroot/toplayer": 4,
    "read the top layer LABEL=own:/": 1,
    "create the directory .dockroot/docker_rwlayer": 0.5,
    "snapshot docker/btrfs/subvolumes/x as .dockroot/docker_rwlayer/staging": 5,
    "record .dockroot/docker_rwlayer/staging as in the making": 1,
    "copy the top layer LABEL=own:/ into .dockroot/docker_rwlayer/staging": 4,
    "make .dockroot/docker_rwlayer/staging durable": 9,
    "put .dockroot/docker_rwlayer/staging in place as docker_rwlayer": 1,
  }).map(([step, durationMs]) => ({ step, durationMs }));
  t.strictSame(groupSteps({ steps, totalMs: 42 }, 60), {
    "start-up": 18,
    "find and mount the disk": 8,
    "find the image": 3,
    snapshot: 5,
    "top layer": 10,
    durability: 10,
    rest: 6,
  });
  t.strictSame(
    groupMarks(
      [
        { step: "options", afterMs: 2 },
        { step: "mount", afterMs: 3 },
        { step: "find the image", afterMs: 10 },
        { step: "former root", afterMs: 20 },
        { step: "snapshot", afterMs: 21 },
        { step: "unmount", afterMs: 25 },
      ],
      30,
    ),
    {
      "start-up": 2,
      "find and mount the disk": 7,
      "find the image": 10,
      snapshot: 4,
      "top layer": 0,
      durability: 5,
      rest: 2,
    },
  );
  t.throws(
    () => groupMarks([{ step: "something new", afterMs: 1 }], 2),
    /something new/,
  );
  t.end();
});

t.test("when root was there is read from the kernel log", (t) => {
  const log = [
    "[    0.000000] Linux version 6.1.0",
    "[    2.500000] Run /init as init process",
    "[   12.250000] bench: root is mounted",
    "",
  ].join("\r\n");
  t.strictSame(parseKernelLog(log), {
    value: 12250,
    parts: { kernel: 2500, initramfs: 9750 },
  });
  t.throws(
    () => parseKernelLog("[    0.000000] Linux version 6.1.0"),
    /no line/,
  );
  t.end();
});

const results: readonly EntryResult[] = [
  { entry: "boot", ...boot },
  {
    entry: "store-size",
    title: "by the store: dockroot",
    unit: "ms",
    series: [
      { name: "few & small", samples: [20] },
      { name: "many", samples: [40] },
    ],
  },
];

t.test("the chart has a bar for each program and store", (t) => {
  const charts = planCharts(results);
  t.strictSame(charts[0]?.groups[0]?.bars[0]?.segments, [
    { colour: "snapshot", ms: 10 },
    { colour: "rest", ms: 20 },
  ]);
  const svg = drawCharts(charts);
  t.equal(drawCharts(charts), svg, "the same each time");
  t.match(svg, />few &amp; small</);
  // The longest bar takes all the room, 540 wide; one half as long, half of it.
  const widths = [
    ...svg.matchAll(/width="([\d.]+)" fill="#0072b2"><title>dockroot/g),
  ];
  t.strictSame(
    widths.map(([, width]) => Number(width)),
    [269, 539],
  );
  t.throws(() => planCharts([]), /entry boot/);
  t.end();
});

t.test("a page's tables are replaced between their marks alone", (t) => {
  const machine = {
    ...{ kernel: "6.18", processors: "2 x CPU", memoryBytes: 25e9 },
    ...{ cp: "cp 9.1", btrfs: "btrfs-progs v6.2" },
  };
  const page = (facts: string, table: string) =>
    `a\n<!-- bench: machine -->${facts}<!-- /bench -->\nb\n<!-- bench: boot -->${table}<!-- /bench -->\nc\n`;
  const measured = { dockroot: "1", machine, results: results.slice(0, 1) };
  const filled = fillTables(page("", "old"), measured);
  t.notMatch(filled, "old");
  t.match(
    filled,
    /^a\n<!-- bench: machine -->\n\nLinux 6.18.*\n\n<!-- \/bench -->\nb\n/,
  );
  t.match(
    filled,
    /<!-- bench: boot -->\n\n\*\*a boot\*\*\n[^]*\| snapshot \| 10.0 \| 10.0 \|\n[^]*<!-- \/bench -->\nc\n$/,
  );
  t.equal(fillTables(filled, measured), filled, "the same again");
  t.throws(() => fillTables("no marks", measured), /no place for machine/);
  t.end();
});
