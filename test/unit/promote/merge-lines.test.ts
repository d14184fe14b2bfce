import t from "tap";
import { mergeLines } from "../../../installer/promote/plan/merge-lines.ts";

const file = (...lines: string[]) => lines.map((line) => `${line}\n`).join("");

t.test("a line of each name that has changed", (t) => {
  t.equal(
    mergeLines(
      file("root:x:0", "ann:x:1000", "eve:x:1002"),
      file("root:y:0", "ann:x:1000", "new:x:1003"),
      file("root:x:0", "bob:x:1001", "eve:x:1002", "ann:z:1000"),
    ),
    file("root:y:0", "bob:x:1001", "ann:z:1000", "new:x:1003"),
  );
  t.end();
});

t.test("what is new comes before the lines of NIS", (t) => {
  t.equal(
    mergeLines(file("root:x:0"), file("root:x:0", "ann:x:1"), file("+::::::")),
    file("ann:x:1", "+::::::"),
  );
  t.end();
});

t.test("several lines of one name", (t) => {
  t.equal(
    mergeLines(
      file("ann:1:1", "bob:2:1"),
      file("ann:1:1", "ann:5:1", "bob:2:1"),
      file("bob:2:1", "ann:1:1", "ann:3:1", "eve:4:1"),
    ),
    file("bob:2:1", "ann:1:1", "ann:5:1", "eve:4:1"),
  );
  t.end();
});

t.test("a file without a last newline, and none at all", (t) => {
  t.equal(mergeLines("", "ann:x:1", ""), file("ann:x:1"));
  t.equal(mergeLines("ann:x:1", "", "ann:x:1\nbob:x:2"), file("bob:x:2"));
  t.end();
});
