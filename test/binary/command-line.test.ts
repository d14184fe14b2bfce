import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import t from "tap";
import {
  commandNames,
  commandTable,
  groups,
} from "../../installer/cli/table.ts";
import { makeScratch } from "../root/scratch.ts";
import { executable, runDockroot, runIn } from "./run-dockroot.ts";

const packageJson = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
) as { version: string; optionalDependencies: Record<string, string> };

t.test("--version prints version, Node's version and architecture", (t) => {
  const node = packageJson.optionalDependencies[`node-linux-${process.arch}`];
  for (const option of ["--version", "-V"]) {
    t.same(runDockroot(option), {
      status: 0,
      stdout: `dockroot ${packageJson.version} (Node v${String(node)}, ${process.arch})\n`,
      stderr: "",
    });
  }
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
      new RegExp(
        `^  dockroot ${command}( <[A-Z]+(\\.\\.)?>| \\[[A-Z]+(\\.\\.)?\\])? +\\w`,
        "m",
      ),
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
    ["-V", "boot"],
    ["help", "bot"],
    ["doctor", "--root="],
    ["install", "--generator", "dracutt"],
    ["resolve", "a", "--store", "aufs"],
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
    const [line = "", see = "", ...rest] = stderr.split("\n");
    t.match(line, /^dockroot: ./, call);
    // The help of the command, where one is named.
    const words = args.filter((arg) => !/^-|^help$/.test(arg));
    const name = [words.slice(0, 2).join(" "), words[0] ?? ""].find(
      (found) => commandTable.has(found) || groups.has(found),
    );
    t.equal(see, `  see: dockroot ${[name ?? [], "--help"].flat().join(" ")}`);
    t.same(rest, [""], call);
  }
  t.end();
});

t.test("what is wrong is named, with what is near", (t) => {
  const messages: readonly (readonly [args: string, message: string])[] = [
    ["", "a command is missing"],
    ["bot", "unknown command: bot; did you mean boot?"],
    ["instal --yes", "unknown command: instal; did you mean install?"],
    ["--json", "a command is missing"],
    [
      "toplayer chek",
      "unknown command: toplayer chek; did you mean toplayer check?",
    ],
    ["frobnicate", "unknown command: frobnicate"],
    ["--verson", "unknown option: --verson; did you mean --version?"],
    ["--verson status", "unknown option: --verson; did you mean --version?"],
    ["-x", "unknown option: -x"],
    ["status --jsno", "unknown option: --jsno; did you mean --json?"],
    ["status --hlep", "unknown option: --hlep; did you mean --help?"],
    ["status --dry-run", "unknown option: --dry-run"],
    [
      "resolve a --dokcer b",
      "unknown option: --dokcer; did you mean --docker?",
    ],
    ["boot --dry-rnu", "unknown option: --dry-rnu; did you mean --dry-run?"],
    [
      "finish --run-dri x",
      "unknown option: --run-dri; did you mean --run-dir?",
    ],
    ["boot now", "unexpected argument: now"],
    ["status now", "unexpected argument: now"],
    ["resolve", "REF is missing"],
    // A boolean takes no value.
    ["install --yes=no", "--yes takes no value"],
    ["install --yes=true", "--yes takes no value"],
    ["boot --json=no", "--json takes no value"],
    ["toplayer init --yes false true", "unexpected argument: true"],
    // A string takes one.
    ["doctor --root", "--root needs a value"],
    ["doctor --root --json", "--root needs a value"],
    ["boot --cmdline --json", "--cmdline needs a value"],
    // The same value twice is no contradiction.
    ["status --json --json now", "unexpected argument: now"],
    [
      "status --run-dir /a --run-dir /b",
      "--run-dir is given more than once: /a, /b",
    ],
    [
      "boot --run-dir /a --run-dir /b",
      "--run-dir is given more than once: /a, /b",
    ],
    [
      "resolve x --docker /a --store-path /b",
      "--store-path (or --docker) is given more than once: /a, /b",
    ],
    [
      "boot-entry --loader lilo",
      "--loader lilo is not one of refind, systemd-boot, grub, limine, efistub",
    ],
  ];
  for (const [args, message] of messages) {
    const { status, stderr } = runDockroot(
      ...args.split(" ").filter((word) => word !== ""),
    );
    t.equal(status, 2, args);
    t.equal(stderr.split("\n")[0], `dockroot: ${message}`, args);
  }
  t.end();
});

t.test("options before the command are as those after it", (t) => {
  const directory = makeScratch(t, "options-first");
  const calls: readonly (readonly [before: string[], after: string[]])[] = [
    [
      ["--root", directory, "doctor"],
      ["doctor", "--root", directory],
    ],
    [
      [`--run-dir=${directory}`, "--json", "status"],
      ["status", "--json", "--run-dir", directory],
    ],
    [
      ["--store-path", directory, "resolve", "--json", "a"],
      ["resolve", "a", "--json", "--store-path", directory],
    ],
    [
      ["--dry-run", "--cmdline", `${directory}/absent`, "boot"],
      ["boot", "--dry-run", "--cmdline", `${directory}/absent`],
    ],
    [
      ["--help", "toplayer", "check"],
      ["toplayer", "check", "--help"],
    ],
    [
      ["toplayer", "--docker", directory, "init"],
      ["toplayer", "init", "--docker", directory],
    ],
  ];
  for (const [before, after] of calls) {
    t.same(runDockroot(...before), runDockroot(...after), before.join(" "));
  }
  t.match(
    runDockroot(`--run-dir=${directory}`, "status").stderr,
    `${directory}/boot.json`,
  );
  t.end();
});

t.test("what cannot be written is an error, a reader that left is not", (t) => {
  const call = (line: string) => {
    const { status, stderr } = spawnSync(
      "bash",
      ["-c", line, "bash", executable],
      { encoding: "utf8" },
    );
    return { status, stderr };
  };
  const failure = (reason: string) => ({
    status: 1,
    stderr: `dockroot: cannot write to stdout\n  because: ${reason}, write\n`,
  });
  for (const args of ["--version", "--help", "completion bash"]) {
    t.same(
      call(`"$1" ${args} >/dev/full`),
      failure("ENOSPC: no space left on device"),
    );
    // It is open for reading alone.
    t.same(
      call(`"$1" ${args} 1</dev/null`),
      failure("EBADF: bad file descriptor"),
    );
    t.same(call(`"$1" ${args} | true; exit "\${PIPESTATUS[0]}"`), {
      status: 0,
      stderr: "",
    });
  }
  t.same(call('"$1" bot 2>/dev/full'), { status: 2, stderr: "" });
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

t.test("on a terminal messages break between words, elsewhere nowhere", (t) => {
  const args = ["resolve", "some-image:of-mine", "--store-path", "/nowhere"];
  const piped = runDockroot(...args);
  t.equal(piped.status, 1);
  t.ok(piped.stderr.split("\n").some((line) => line.length > 50));
  const command = `stty cols 50; ${executable} ${args.join(" ")}`;
  const { stdout } = spawnSync("script", ["-qec", command, "/dev/null"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines = stdout.trimEnd().split("\r\n");
  t.ok(lines.length > piped.stderr.trimEnd().split("\n").length, stdout);
  for (const line of lines) t.ok(line.length <= 50, line);
  const words = (text: string) =>
    text.split(/\s+/).filter((word) => word !== "");
  t.strictSame(words(stdout), words(piped.stderr));
  t.end();
});

t.test("NODE_OPTIONS and Node's own options have no effect", (t) => {
  const expected = runDockroot("--version");
  const options = "--require /nonexistent.js";
  t.same(runIn({ NODE_OPTIONS: options }, "--version"), expected);
  t.equal(runDockroot("--node-options=--help").status, 2);
  t.end();
});
