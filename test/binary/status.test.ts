import fs from "node:fs";
import t from "tap";
import { freshRecord } from "../unit/status/status-data.ts";
import { runDockroot, runIn } from "./run-dockroot.ts";

const status = (directory: string, ...flags: string[]) =>
  runDockroot("status", "--run-dir", directory, ...flags);

t.test("without boot.json: status 1, and why", (t) => {
  const directory = t.testdir({ run: {} });
  for (const [flags, where] of [
    [[], `${directory}/run`],
    [["--json"], `${directory}/run`],
    [[], `${directory}/absent`],
  ] as const) {
    const { status: code, stdout, stderr } = status(where, ...flags);
    t.equal(code, 1);
    t.equal(stdout, "");
    t.match(
      stderr,
      /^dockroot: there is no .*\/boot\.json: dockroot did not boot this system\n {2}what to do: .*\n$/,
    );
  }
  t.end();
});

t.test("a damaged boot.json: status 1, and why", (t) => {
  const directory = t.testdir({
    cut: { "boot.json": JSON.stringify(freshRecord).slice(0, 50) },
    empty: { "boot.json": "" },
    other: { "boot.json": '{"version":1}' },
    directory: { "boot.json": {} },
    link: { "boot.json": t.fixture("symlink", "/etc/passwd") },
    large: { "boot.json": "" },
  });
  fs.truncateSync(`${directory}/large/boot.json`, 1024 ** 3);
  for (const name of fs.readdirSync(directory)) {
    const { status: code, stdout, stderr } = status(`${directory}/${name}`);
    t.equal(code, 1, name);
    t.equal(stdout, "", name);
    t.match(
      stderr,
      /^dockroot: \S+\/boot\.json (?:is damaged|is a directory|has \d+ bytes)/,
    );
    t.match(stderr, /^ {2}what to do: /m);
    t.notMatch(stderr, /^ +at /m, "no stack trace");
  }
  t.end();
});

t.test("what is no terminal gets no colours", (t) => {
  const directory = t.testdir({
    "boot.json": JSON.stringify({ ...freshRecord, warnings: ["\u001b[2J"] }),
  });
  for (const environment of [{}, { TERM: "xterm-256color" }]) {
    const { status: code, stdout } = runIn(
      environment,
      ...["status", "--run-dir", directory],
    );
    t.equal(code, 0);
    t.notMatch(stdout, "\u001b");
    t.match(stdout, /^warning: \\x1b\[2J$/m);
    t.match(stdout, /^could not be read:$/m, "the disk is not there");
  }
  t.end();
});

t.test("missing fields are told, the rest is shown", (t) => {
  const directory = t.testdir({ "boot.json": '{"version":1,"result":"kept"}' });
  const { status: code, stdout, stderr } = status(directory);
  t.equal(code, 0, stderr);
  t.match(stdout, /^result +kept: /m);
  t.match(stdout, /^ {2}image, root, .* in .*boot\.json: missing or damaged/m);
  t.end();
});
