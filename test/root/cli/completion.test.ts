// runner: tier=first seconds=7
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import t from "tap";
import { scaleTimeout } from "../../../fixtures/slowness.ts";
import { commandNames, commandTable } from "../../../installer/cli/table.ts";
import { runDockroot } from "../../binary/run-dockroot.ts";

const FIXTURES = path.resolve(
  import.meta.dirname,
  "../../../fixtures/completion",
);
const scripts = t.testdir({ tree: { "a directory": {}, "a file": "" } });
for (const shell of ["bash", "zsh", "fish"]) {
  fs.writeFileSync(
    path.join(scripts, shell),
    runDockroot("completion", shell).stdout,
  );
}

/** What a real shell proposes at the end of a line, sorted. */
const shells: Readonly<Record<string, (line: string) => string[]>> = {
  bash: (line) =>
    // As readline splits it: an equals sign is a word of its own.
    call("bash", [
      path.join(FIXTURES, "complete.bash"),
      path.join(scripts, "bash"),
      ...line
        .split(/ |(=)/)
        .filter((word) => (word as string | undefined) !== undefined),
    ]),
  zsh: (line) => {
    const found = path.join(scripts, "found");
    fs.rmSync(found, { force: true });
    call("zsh", [
      ...["-f", path.join(FIXTURES, "complete.zsh")],
      ...[path.join(scripts, "zsh"), found, line],
    ]);
    return fs.existsSync(found)
      ? // It writes them as one would type them.
        sortLines(fs.readFileSync(found, "utf8").replaceAll("\\", ""))
      : [];
  },
  fish: (line) =>
    call("fish", [
      ...["--no-config", "-c", 'source $argv[1]; complete -C "$argv[2]"'],
      ...[path.join(scripts, "fish"), line],
    ]).map((proposal) =>
      proposal.replace(/\t.*/, "").replace(/^--[a-z-]+=/, ""),
    ),
};

function call(program: string, args: readonly string[]): string[] {
  const { status, stdout, stderr } = spawnSync(program, args, {
    ...{
      cwd: path.join(scripts, "tree"),
      encoding: "utf8",
      timeout: scaleTimeout(60_000),
    },
    env: { PATH: process.env["PATH"], HOME: scripts, TERM: "dumb" },
  });
  if (status !== 0 || stderr !== "") throw new Error(`${program}: ${stderr}`);
  return sortLines(stdout);
}

function sortLines(text: string): string[] {
  const lines = text.split("\n").filter((line) => line !== "");
  return [...new Set(lines)].toSorted();
}

const options = (command: string) => [
  "--help",
  ...Object.entries(commandTable.get(command)?.flags ?? {}).flatMap(
    ([flag, { alias }]) =>
      [flag, alias ?? []].flat().map((name) => `--${name}`),
  ),
];

for (const [shell, complete] of Object.entries(shells)) {
  t.test(`${shell} completes commands, options, values and files`, (t) => {
    const proposes = (line: string, expected: readonly string[]) => {
      t.strictSame(
        complete(line).map((proposal) => proposal.replace(/\/$/, "")),
        expected.toSorted(),
        line,
      );
    };
    proposes("dockroot ", [
      ...[...commandNames.keys(), "help"],
      // Without a hyphen typed, zsh and fish propose no options.
      ...(shell === "bash" ? ["--help", "--version"] : []),
    ]);
    proposes("dockroot b", ["boot", "boot-entry"]);
    for (const [parent, names] of commandNames) {
      if (names.includes(parent)) continue;
      const below = names.map((name) => name.slice(parent.length + 1));
      const own = shell === "bash" ? ["--help"] : [];
      proposes(`dockroot ${parent} `, [...below, ...own]);
    }
    for (const name of commandTable.keys()) {
      proposes(`dockroot ${name} --`, options(name));
    }
    const loaders = ["refind", "systemd-boot", "grub", "limine", "efistub"];
    proposes("dockroot boot-entry --loader ", loaders);
    proposes("dockroot boot-entry --loader=", loaders);
    proposes("dockroot boot-entry --loader=gr", ["grub"]);
    proposes("dockroot boot-entry --output --js", ["--json"]);
    proposes("dockroot completion ", ["bash", "fish", "zsh"]);
    proposes("dockroot boot --dry-run --cmdline ", ["a directory", "a file"]);
    proposes("dockroot status --run-dir ", ["a directory"]);
    proposes("dockroot toplayer init ", ["a directory"]);
    proposes("dockroot toplayer check --image ", []);
    t.end();
  });
}

t.test("the scripts are made for shells that are known", (t) => {
  t.match(runDockroot("completion", "tcsh"), {
    ...{ status: 2, stdout: "" },
    stderr: "dockroot: completion tcsh is not one of bash, zsh, fish\n",
  });
  t.end();
});
