import t from "tap";
import { lastValues, parseCmdline } from "../../../runtime/options/cmdline.ts";

const pairs = (text: string) =>
  parseCmdline(text).map(({ key, value }) => [key, value]);

t.test(
  "options are separated by any white space, values by the first =",
  async (t) => {
    t.same(pairs("BOOT_IMAGE=/vmlinuz root=UUID=1-2\trw  a=b=c,d=e\n"), [
      ["BOOT_IMAGE", "/vmlinuz"],
      ["root", "UUID=1-2"],
      ["rw", undefined],
      ["a", "b=c,d=e"],
    ]);
  },
);

t.test(
  "quotes protect spaces and are dropped around a value or an option",
  async (t) => {
    t.same(pairs(`root="LABEL=my disk" x`), [
      ["root", "LABEL=my disk"],
      ["x", undefined],
    ]);
    t.same(pairs(`"root=LABEL=my disk" x`), [
      ["root", "LABEL=my disk"],
      ["x", undefined],
    ]);
  },
);

t.test("quotes inside a value stay, as in the kernel", async (t) => {
  t.same(pairs(`root=LABEL="my disk"`), [["root", `LABEL="my disk"`]]);
});

t.test("a quote that is never closed reaches to the end", async (t) => {
  t.same(pairs(`a="b c d=e`), [["a", "b c d=e"]]);
});

t.test("what follows -- is for init", async (t) => {
  t.same(pairs("a=1 -- b=2 single"), [["a", "1"]]);
  t.same(pairs("a=-- b"), [
    ["a", "--"],
    ["b", undefined],
  ]);
});

t.test("an empty value is not a bare flag", async (t) => {
  t.same(pairs("toplayer= quiet"), [
    ["toplayer", ""],
    ["quiet", undefined],
  ]);
});

t.test("of a repeated option the last one counts", async (t) => {
  const values = lastValues(parseCmdline("root=/dev/a rw root=/dev/b rw"));
  t.equal(values.get("root"), "/dev/b");
  t.equal(values.size, 2);
});

t.test("white space beyond ASCII is a part of a name", async (t) => {
  t.same(pairs("a=b\u3000c\u00a0d\u2028e"), [["a", "b\u3000c\u00a0d\u2028e"]]);
  t.same(pairs("a\vb\fc\rd"), pairs("a b c d"));
});

t.test("a NUL ends the command line", async (t) => {
  t.same(pairs("a=b\0c d"), [["a", "b"]]);
});

t.test("nothing gives no options", async (t) => {
  t.same(pairs(""), []);
  t.same(pairs(" \n"), []);
});
