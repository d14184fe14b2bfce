import { readFileSync, writeFileSync } from "node:fs";
import t from "tap";
import {
  commandNames,
  commandTable,
} from "../../installer/commands/describe-commands.ts";
import { makeScratch } from "../root/scratch.ts";
import { runDockroot, runIn } from "./run-dockroot.ts";

const packageJson = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
) as { version: string; optionalDependencies: Record<string, string> };

t.test("--version prints version, Node's version and architecture", (t) => {
  const node = packageJson.optionalDependencies[`node-linux-${process.arch}`];
  t.same(runDockroot("--version"), {
    status: 0,
    stdout: `dockroot ${packageJson.version} (Node v${String(node)}, ${process.arch})\n`,
    stderr: "",
  });
  t.end();
});

t.test("--help lists the commands, a line and an example each", (t) => {
  const help = runDockroot("--help");
  t.equal(help.status, 0);
  t.equal(help.stderr, "");
  const [, commands = "", examples = ""] =
    /^Commands:\n(.*)^Options:\n.*^Examples:\n(.*)/ms.exec(help.stdout) ?? [];
  for (const command of commandNames.keys()) {
    t.match(
      commands,
      new RegExp(`^  dockroot ${command}( <[A-Z]+>)? +\\w`, "m"),
    );
    t.match(examples, new RegExp(`^  dockroot ${command}\\b`, "m"));
  }
  t.equal(runDockroot("help").stdout, help.stdout);
  t.equal(runDockroot("-h").stdout, help.stdout);
  t.end();
});

t.test("a command's --help lists its flags", (t) => {
  for (const [command, { flags }] of commandTable) {
    const words = command.split(" ");
    const help = runDockroot(...words, "--help");
    t.equal(help.status, 0);
    t.equal(help.stderr, "");
    for (const flag of Object.keys(flags)) {
      t.match(
        help.stdout,
        new RegExp(
          `^ +--${flag}( \\[?[A-Z]+\\]?)?(, --docker DIR)?  +\\w`,
          "m",
        ),
      );
    }
    t.match(help.stdout, new RegExp(`^Examples:\\n  dockroot ${command}`, "m"));
    t.equal(runDockroot("help", ...words).stdout, help.stdout);
  }
  const toplayer = runDockroot("toplayer", "--help");
  t.match(toplayer, {
    status: 0,
    stdout: /^ {2}dockroot toplayer init <DIR> /m,
  });
  t.equal(runDockroot("help", "toplayer").stdout, toplayer.stdout);
  t.end();
});

t.test("wrong usage: status 2, one line and where to look", (t) => {
  for (const args of [
    [],
    ["bot"],
    ["--bogus"],
    ["--version", "boot"],
    ["help", "bot"],
    ["bot", "--help"],
    ["constructor"],
    ["boot", "--bogus"],
    ["boot", "now"],
    ["boot", "--cmdline"],
    ["boot", "--dry-run=yes"],
    ["finish", "--dry-run"],
    ["status", "--dry-run"],
    ["status", "now"],
    ["doctor", "now"],
    ["doctor", "--image="],
    ["doctor", "--image"],
    ["resolve"],
    ["resolve", ""],
    ["resolve", "a", "b"],
    ["resolve", "a", "--docker="],
    ["status", "--run-dir"],
    ["status", "--run-dir="],
    ["status", "--no-json"],
    ["boot-entry", "now"],
    ["boot-entry", "--loader", "lilo"],
    ["boot-entry", "--loader", "efistub", "--output"],
    ["boot-entry", "--docker="],
    ["completion"],
    ["completion", "tcsh"],
    ["completion", "bash", "zsh"],
    ["toplayer"],
    ["toplayer", "chek"],
    ["toplayer", "chek", "--help"],
    ["help", "toplayer", "chek"],
    ["toplayer", "check", "--bogus"],
    ["toplayer", "check", ""],
    ["toplayer", "check", "--image"],
    ["toplayer", "check", "--docker="],
    ["toplayer", "init"],
    ["toplayer", "init", "a", "b"],
    ["toplayer", "init", "", "--yes"],
    ["toplayer", "init", "a", "--all"],
  ]) {
    const { status, stdout, stderr } = runDockroot(...args);
    const call = ["dockroot", ...args].join(" ");
    t.equal(status, 2, call);
    t.equal(stdout, "", call);
    t.match(stderr, /^dockroot: [^\n]+\n {2}see: dockroot --help\n$/, call);
  }
  t.end();
});

t.test("what the user can correct: status 1, plain words", (t) => {
  const directory = makeScratch(t, "command-line");
  writeFileSync(
    `${directory}/cmdline`,
    "root=LABEL=linux rootflags=subvolid=5 docker_path=docker\n",
  );
  writeFileSync(`${directory}/config`, '{ "docker_image": "demo" }');
  const { status, stdout, stderr } = runDockroot(
    ...["boot", "--dry-run", "--cmdline", `${directory}/cmdline`],
    ...["--config", `${directory}/config`, "--run-dir", `${directory}/run`],
  );
  t.equal(status, 1);
  t.equal(stdout, "");
  t.match(stderr, "rootflags= has subvolid=5 but no subvol=NAME");
  t.notMatch(stderr, /^ +at /m, "no stack trace");
  t.end();
});

t.test("NODE_OPTIONS and Node's own options have no effect", (t) => {
  const expected = runDockroot("--version");
  const options = "--require /nonexistent.js";
  t.same(runIn({ NODE_OPTIONS: options }, "--version"), expected);
  t.equal(runDockroot("--node-options=--help").status, 2);
  t.end();
});
