import t from "tap";
import { wrapLines } from "../../../installer/text/wrap.ts";

t.test("lines are broken between words, where they do not fit", (t) => {
  const error =
    "dockroot: the image sample_image:gone is not in the store docker\n" +
    "  because: of sample_image there are: sample_image:latest\n" +
    "  what to do: short\n";
  t.equal(
    wrapLines(error, 40),
    [
      "dockroot: the image sample_image:gone is",
      "    not in the store docker",
      "  because: of sample_image there are:",
      "      sample_image:latest",
      "  what to do: short",
      "",
    ].join("\n"),
  );
  t.end();
});

t.test("what follows stands in the last column", (t) => {
  t.equal(
    wrapLines("ok  image         system:1 is in docker, 5bf516edd44b", 40),
    [
      "ok  image         system:1 is in docker,",
      "                  5bf516edd44b",
    ].join("\n"),
  );
  t.equal(
    wrapLines("a  gap far to the right of the line it  is in", 40),
    ["a  gap far to the right of the line it", "   is in"].join("\n"),
  );
  t.end();
});

t.test("no word is broken, and what fits stays as it is", (t) => {
  const path = `/${"long/".repeat(12)}`;
  t.equal(wrapLines(`see ${path} now`, 40), `see\n    ${path}\n    now`);
  t.equal(wrapLines(path, 40), path);
  const exact = "x".repeat(39);
  t.equal(wrapLines(`${exact}\n`, 39), `${exact}\n`);
  t.equal(wrapLines(`\r${exact}`, 40), `\r${exact}`, "a line of progress");
  t.end();
});

t.test("colours take no room, and last", (t) => {
  const red = (text: string) => `\u001b[31m${text}\u001b[39m`;
  t.equal(wrapLines(red("a".repeat(40)), 40), red("a".repeat(40)));
  t.equal(
    wrapLines(red("one two three four five six seven eight"), 30),
    red("one two three four five six\n    seven eight"),
  );
  t.end();
});

t.test("where there is no terminal, or a tiny one, nothing is changed", (t) => {
  const text = "word ".repeat(40);
  t.equal(wrapLines(text, undefined), text);
  t.equal(wrapLines(text, 20), text);
  t.end();
});
