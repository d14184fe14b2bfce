import t from "tap";
import { cut, formatBarChart } from "../../../installer/text/bar-chart.ts";
import { formatJson } from "../../../runtime/base/escape.ts";
import { formatMs, formatSize } from "../../../installer/text/human.ts";
import { parseBootRecord } from "../../../runtime/records/boot-record.ts";
import { parseQgroups } from "../../../installer/status/qgroups.ts";
import { freshRecord, freshStatus } from "./status-data.ts";
import { findRawControl } from "../../faults/raw-controls.ts";

const parse = (changes: Record<string, unknown>) =>
  parseBootRecord(JSON.stringify({ ...freshRecord, ...changes }));

t.test("boot.json is understood", async (t) => {
  const { booted, damaged } = parse({});
  const { limits: _, version: __, ...expected } = freshRecord;
  t.strictSame(booted, expected);
  t.strictSame(damaged, []);
});

t.test("fields that are missing or damaged are named", async (t) => {
  for (const value of [undefined, 7.5, {}, [7], "\0", "../etc", "/etc"]) {
    for (const name of ["root", "rwlayer", "subvolumeUuid", "image", "steps"]) {
      const { booted, damaged } = parse({ [name]: value });
      t.strictSame(damaged, [name], `${name}: ${JSON.stringify(value)}`);
      t.strictSame(
        booted[name as keyof typeof booted],
        name === "steps" ? [] : null,
      );
    }
  }
  t.strictSame(
    parseBootRecord('{"version":1,"result":"fallback"}').damaged.length,
    17,
  );
  t.strictSame(parse({ result: "fallback" }).damaged, ["failure"]);
});

t.test("a failed boot has no root to tell of", async (t) => {
  const failure = { code: "BUG", message: "m", causes: [] };
  const { booted, damaged } = parseBootRecord(
    JSON.stringify({
      ...{ version: 1, result: "failed", failure, steps: [], warnings: [] },
      ...{ totalMs: 1, dockroot: "0.1.0", node: "v24", kernel: "6" },
    }),
  );
  t.strictSame(damaged, []);
  t.match(booted, { result: "failed", failure, root: null, image: null });
});

t.test("what does not tell what booted is refused", async (t) => {
  for (const [text, reason] of [
    ["", /not valid JSON/],
    ["null", /not a JSON object/],
    ["[]", /not a JSON object/],
    ["{}", /its version is not 1/],
    ['{"version":2,"result":"fresh"}', /its version is not 1/],
    ['{"version":1,"result":"constructor"}', /does not tell what booted/],
    ['{"version":1}', /does not tell what booted/],
  ] as const) {
    t.throws(() => parseBootRecord(text), reason, text);
  }
});

// btrfs qgroup show --raw m, btrfs-progs 6.2; 257 has a newline in its name, 258 is nested in it.
const QGROUPS = `Qgroupid    Referenced    Exclusive   Path 
--------    ----------    ---------   ---- 
0/5              16384        16384   <toplevel>
0/256          3162112      3162112   a
0/257            16384        16384   b
0
0/258            16384        16384   b
0/256 1 2 c
1/7                  0            0   <0 member qgroups>
`;

t.test("sizes are found by column, and none is forged", async (t) => {
  const small = { referencedBytes: 16384, exclusiveBytes: 16384 };
  t.strictSame(
    [...parseQgroups(QGROUPS)],
    [
      [5, small],
      [257, small],
      [258, small],
    ],
  );
  const honest = QGROUPS.replace("\n0/256 1 2 c", "");
  t.strictSame(parseQgroups(honest).get(256), {
    ...{ referencedBytes: 3162112, exclusiveBytes: 3162112 },
  });
  for (const text of ["", "Qgroupid\n0/5 1 2\n", "0/5 1 2\n", "\n\n"]) {
    t.equal(parseQgroups(text).size, 0);
  }
});

t.test("JSON is the whole status, and writes on no terminal", async (t) => {
  t.strictSame(JSON.parse(formatJson(freshStatus)), freshStatus);
  const evil = "\u001b[2J\u009b31m\u202e";
  const text = formatJson({ ...freshStatus, warnings: [evil] });
  t.equal(findRawControl(text), undefined);
  t.match(JSON.parse(text), { warnings: [evil] });
});

t.test("sizes and times for people", async (t) => {
  t.strictSame(
    [0, 999, 1000, 999_949, 999_950, 16_384, 1e15, 1e19].map(formatSize),
    [
      "0 B",
      "999 B",
      "1.0 kB",
      "999.9 kB",
      "1.0 MB",
      "16.4 kB",
      "1.0 PB",
      "10000.0 PB",
    ],
  );
  t.strictSame(
    [0, 0.04, 999.9, 999.99, 59_990, 59_995, 3_600_000].map(formatMs),
    [
      "0.0 ms",
      "0.0 ms",
      "999.9 ms",
      "1.00 s",
      "59.99 s",
      "1 min 0 s",
      "60 min 0 s",
    ],
  );
});

t.test("bars are in proportion to the longest", async (t) => {
  const bar = (amount: number) => ({
    label: "ж".repeat(9),
    amount,
    shown: String(amount),
  });
  t.strictSame(
    formatBarChart([bar(100), bar(50), bar(1)], { columns: 20, barWidth: 6 }),
    ["100  ######  жжжж...", " 50  ###     жжжж...", "  1          жжжж..."],
  );
  t.strictSame(formatBarChart([], { columns: 20, barWidth: 6 }), []);
  t.match(formatBarChart([bar(0)], { columns: 1, barWidth: 6 })[0], "...");
  t.equal(cut("\u{1f433}".repeat(5), 5), "\u{1f433}".repeat(5));
  t.equal(cut("\u{1f433}".repeat(6), 5), "\u{1f433}\u{1f433}...");
});
