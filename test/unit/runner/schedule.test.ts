import t from "tap";
import { parseDeclaration } from "../../runner/declaration.ts";
import { chooseNext, type Task } from "../../runner/schedule.ts";

const SLOTS = 2;

function task(name: string, more: Partial<Task> = {}): Task {
  const usual = { stage: 0, seconds: 10, weight: 1, needs: [], alone: [] };
  return { name, ...usual, ...more };
}

/** Runs tasks that take as long as they say. @returns when each began, in order */
function simulate(tasks: readonly Task[]): [name: string, at: number][] {
  const pending = [...tasks];
  const running: { task: Task; end: number }[] = [];
  const begun: [string, number][] = [];
  let now = 0;
  while (pending.length + running.length > 0) {
    const next = chooseNext(
      pending,
      running.map((each) => each.task),
      SLOTS,
    );
    if (next !== undefined) {
      pending.splice(pending.indexOf(next), 1);
      running.push({ task: next, end: now + next.seconds });
      begun.push([next.name, now]);
      continue;
    }
    now = Math.min(...running.map(({ end }) => end));
    running.splice(
      running.findIndex(({ end }) => end === now),
      1,
    );
  }
  return begun;
}

t.test("two run at a time, the longest first", (t) => {
  t.strictSame(
    simulate([
      task("short", { seconds: 10 }),
      task("long", { seconds: 40 }),
      task("middle", { seconds: 20 }),
    ]),
    [
      ["long", 0],
      ["middle", 0],
      ["short", 20],
    ],
  );
  t.end();
});

t.test("an earlier stage begins first, however short", (t) => {
  const late = [1, 2].map((n) => task(`late ${String(n)}`, { stage: 1 }));
  t.strictSame(
    simulate([...late, task("early", { seconds: 1 })]).map(([name]) => name),
    ["early", "late 1", "late 2"],
  );
  t.end();
});

t.test("one that takes both slots runs by itself", (t) => {
  t.strictSame(
    simulate([
      task("one", { seconds: 20 }),
      task("wide", { weight: 2, seconds: 15 }),
      task("other", { seconds: 5 }),
      task("too wide", { weight: 9, seconds: 1 }),
    ]),
    [
      ["one", 0],
      ["other", 0],
      ["wide", 20],
      ["too wide", 35],
    ],
  );
  t.end();
});

t.test("none begins before what it needs has ended", (t) => {
  t.strictSame(
    simulate([
      task("machine test", { needs: ["machine"], seconds: 90 }),
      task("machine", { needs: ["debian"], seconds: 5 }),
      task("debian", { seconds: 7 }),
      task("plain", { seconds: 1 }),
    ]),
    [
      ["debian", 0],
      ["plain", 0],
      ["machine", 7],
      ["machine test", 12],
    ],
  );
  t.equal(
    chooseNext(
      [task("waits", { needs: ["x"] }), task("x", { needs: ["y"] })],
      [task("y")],
      SLOTS,
    ),
    undefined,
  );
  t.end();
});

t.test("two that use the same alone are never running together", (t) => {
  t.strictSame(
    simulate([
      task("first", { alone: ["device"], seconds: 30 }),
      task("second", { alone: ["other", "device"], seconds: 20 }),
      task("third", { seconds: 10 }),
    ]),
    [
      ["first", 0],
      ["third", 0],
      ["second", 30],
    ],
  );
  t.end();
});

t.test("a test file's declaration", (t) => {
  t.strictSame(
    parseDeclaration(
      "// runner: tier=first seconds=20 whole=300 weight=2 needs=a,b-c alone=d\nimport",
    ),
    {
      ...{ tier: "first", seconds: 20, wholeSeconds: 300, hasSample: true },
      ...{ weight: 2, needs: ["a", "b-c"], alone: ["d"] },
    },
  );
  const usual = parseDeclaration("#!/usr/bin/node\n// runner: tier=all\n");
  t.strictSame(usual, {
    ...{ tier: "all", seconds: 1, wholeSeconds: 1, hasSample: false },
    ...{ weight: 1, needs: [], alone: [] },
  });
  t.equal(parseDeclaration("import", usual), usual, "what is usual there");
  for (const [text, message] of [
    ["import", /has no line like/],
    ["// runner: seconds=3", /neither tier=first nor tier=all/],
    ["// runner: tier=second", /neither tier=first nor tier=all/],
    ["// runner:", /"" is not valid/],
    ["// runner: tier=first tier=all", /"tier=all" is not valid/],
    ["// runner: tier=first secs=3", /"secs=3" is not valid/],
    ["// runner: tier=first needs=", /"needs=" is not valid/],
    ["// runner: tier=first seconds=0", /seconds=0 is not a whole number/],
    ["// runner: tier=first weight=two", /weight=two is not a whole number/],
  ] as const) {
    t.throws(() => parseDeclaration(text), { message }, text);
  }
  t.end();
});
