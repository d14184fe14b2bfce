import t from "tap";
import { rungs } from "../../runner/rungs.ts";
import { selectFiles } from "../../runner/select-files.ts";

const runsHere = () => undefined;
const names = (tasks: readonly { readonly name: string }[]) =>
  tasks.map(({ name }) => name);

t.test("each file of the slow rungs declares itself", (t) => {
  for (const tier of ["first", "all"] as const) {
    t.strictSame(selectFiles([], tier, runsHere).problems, []);
  }
  t.end();
});

t.test("the first tier says what it leaves out", (t) => {
  const first = selectFiles([], "first", runsHere);
  const all = selectFiles([], "all", runsHere);
  const files = new Set(names(first.tasks));
  t.ok(first.leftOut.length > 0);
  t.notOk(first.leftOut.some((file) => files.has(file)));
  t.ok(first.sampled.every((file) => files.has(file)));
  t.strictSame([...all.leftOut, ...all.sampled], []);
  const whole = new Set(names(all.tasks));
  t.ok([...files, ...first.leftOut].every((name) => whole.has(name)));
  t.end();
});

t.test("what the files need is prepared before, and nothing else", (t) => {
  const { tasks } = selectFiles(["test/vm/stores.test.ts"], "first", runsHere);
  t.strictSame(names(tasks).toSorted(), [
    ...["debian", "engines", "machine", "stores", "test/vm/stores.test.ts"],
  ]);
  t.strictSame(names(selectFiles(["unit"], "all", runsHere).tasks), [
    ...names(selectFiles(["unit"], "first", runsHere).tasks),
  ]);
  t.end();
});

t.test("a file that is named runs whatever its tier", (t) => {
  const [file = ""] = selectFiles([], "first", runsHere).leftOut;
  const { tasks, leftOut } = selectFiles([file], "first", runsHere);
  t.ok(names(tasks).includes(file));
  t.strictSame(leftOut, []);
  t.end();
});

t.test("what cannot be run is told", (t) => {
  const selection = selectFiles(
    ["vm", "unit", "units", "test/unit/no.test.ts"],
    "first",
    ({ name }) => (name === "vm" ? "no QEMU" : undefined),
  );
  t.strictSame(selection.problems, [
    "units: neither a rung of tests nor a test file",
    "test/unit/no.test.ts: neither a rung of tests nor a test file",
  ]);
  t.strictSame(selection.skipped, [
    { rung: rungs.find(({ name }) => name === "vm"), reason: "no QEMU" },
  ]);
  t.ok(names(selection.tasks).every((name) => name.startsWith("test/unit/")));
  t.end();
});
