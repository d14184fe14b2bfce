import t from "tap";
import { compilePatterns } from "../../../installer/diff/formats/path-patterns.ts";

const patterns = compilePatterns([
  "/etc/ssh/host_*",
  "/home/*/.x",
  "/etc",
  "/a.b",
]);

t.test(
  "a path fits with all that is below it, the first in the list",
  async (t) => {
    for (const [path, place] of [
      ["/etc/ssh/host_a", 0],
      ["/etc/ssh/host_", 0],
      ["/etc/ssh/host_a/b", 0],
      ["/home/ann/.x/y", 1],
      ["/etc/ssh/other", 2],
      ["/etc", 2],
      ["/a.b", 3],
      ["/home/.x", -1],
      ["/home/ann/b/.x", -1],
      ["/etcetera", -1],
      ["/var/etc", -1],
      ["/axb", -1],
      ["/", -1],
      ["", -1],
    ] as const) {
      t.equal(patterns.find(path), place, path);
    }
  },
);

t.test("names of any bytes are parts of paths", async (t) => {
  t.equal(patterns.find("/etc/ssh/host_\n"), 0);
  t.equal(patterns.find("/etc\n"), -1);
  t.equal(patterns.find("/home/\n/.x"), 1);
  t.equal(patterns.find("/home/(a/.x"), 1);
});

t.test("what could fit below a path is known", async (t) => {
  for (const [path, could] of [
    ["/home", true],
    ["/home/ann", true],
    ["/etc/ssh", true],
    ["/etc", true],
    ["/home/ann/.x", false],
    ["/home/ann/b", false],
    ["/etc/ssh/host_a", false],
    ["/usr", false],
  ] as const) {
    t.equal(patterns.reachBelow(path), could, path);
  }
});
