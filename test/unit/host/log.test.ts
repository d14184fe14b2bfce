import t from "tap";
import { escapeControl } from "../../../runtime/base/escape.ts";
import { chunks, createLog } from "../../../runtime/host/log.ts";

t.test(
  "a long line is cut between characters, by the kernel's bytes",
  async (t) => {
    t.strictSame(chunks("short"), ["short"]);
    t.strictSame(chunks(""), [""]);
    const long = "ж".repeat(700);
    const pieces = chunks(long);
    t.equal(pieces.join(""), long);
    t.ok(pieces.length > 1);
    for (const piece of pieces) t.ok(Buffer.byteLength(piece) <= 900);
  },
);

t.test("names from disks and images cannot write on the console", async (t) => {
  const lines: string[] = [];
  createLog([(_, message) => lines.push(message)]).error(
    "a\u001b[2Jb\nc\u009bd",
  );
  t.strictSame(lines, ["a\\x1b[2Jb\\nc\\x9bd"]);
  t.equal(escapeControl("plain, ж and \u{1f433}"), "plain, ж and \u{1f433}");
  t.equal(
    escapeControl("a\u202eb\u2066c\u2028d\u200fe\ud800f\rg\u0007h\u007fi"),
    "a\\u202eb\\u2066c\\u2028d\\u200fe\\ud800f\\x0dg\\x07h\\x7fi",
  );
});
