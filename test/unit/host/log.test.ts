import fs from "node:fs";
import path from "node:path";
import { pino } from "pino";
import t from "tap";
import { escapeControl } from "../../../runtime/base/escape.ts";
import {
  chunks,
  createLog,
  jsonLinesSink,
  type Log,
  type LogFields,
} from "../../../runtime/host/log.ts";

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

const RECORDS: readonly [keyof Log, string, LogFields?][] = [
  ["info", "make a snapshot (1.5 ms)", { step: "snapshot", durationMs: 1.5 }],
  ["warn", 'a "quoted" \\ name', { code: "STEP_FAILED", hint: undefined }],
  ["error", "cannot do it", { code: "BUG", hint: "Report it: \u001b[2J" }],
  ["detail", `${"long and not ASCII: ж \u{1f433}, ".repeat(10)}\n\u0000\u2028`],
  ["info", ""],
];

t.test("a log of others' is left as it is, in silence", (t) => {
  const directory = t.testdir({ "boot.log": "theirs" });
  const file = path.join(directory, "boot.log");
  fs.linkSync(file, path.join(directory, "another"));
  createLog([jsonLinesSink(file)]).error("lost");
  t.equal(fs.readFileSync(file, "utf8"), "theirs");
  t.end();
});

t.test("boot.log has the lines that pino would write", (t) => {
  const file = path.join(t.testdir(), "run", "boot.log");
  const log = createLog([jsonLinesSink(file)]);
  for (const [level, message, fields] of RECORDS) log[level](message, fields);
  const lines = fs.readFileSync(file, "utf8").trimEnd().split("\n");
  t.equal(lines.length, RECORDS.length);
  for (const [index, [level, message, fields = {}]] of RECORDS.entries()) {
    const line = lines[index] ?? "";
    const { time } = JSON.parse(line) as { time: string };
    t.equal(new Date(time).toISOString(), time);
    let written = "";
    const logger = pino(
      { base: null, timestamp: () => `,"time":"${time}"` },
      { write: (text: string) => (written = text) },
    );
    const { hint } = fields;
    logger[level === "detail" ? "warn" : level](
      { ...fields, hint: hint === undefined ? hint : escapeControl(hint) },
      escapeControl(message),
    );
    t.equal(`${line}\n`, written);
  }
  t.equal(fs.statSync(file).mode & 0o777, 0o600);
  t.end();
});
