// runner: tier=first seconds=11
import { spawnSync } from "node:child_process";
import fs from "fs-extra";
import path from "node:path";
import t from "tap";
import { scaleTimeout } from "../../../fixtures/slowness.ts";
import { executable } from "../../binary/run-dockroot.ts";
import { makeBootDisk, rehearse } from "../boot-disk.ts";

const ESCAPE = "\x1b";

const disk = await makeBootDisk(t, "colours");
const machine = rehearse(t, disk, "colours", "docker_image=system:1");
machine.boot();
machine.finish();
const layer = path.join(disk.scratch, "layer");
fs.outputFileSync(`${layer}/etc/machine-id`, "none\n");
const cmdline = path.join(machine.runDirectory, "../cmdline");

/** A call, and whether it has anything to show in colour. */
const calls: readonly (readonly [
  args: readonly string[],
  hasColours: boolean,
])[] = [
  [["--help"], false],
  [["status", "--help"], false],
  [["--version"], false],
  [["no-such-command"], false],
  [["status", "--run-dir", machine.runDirectory], true],
  [["status", "--run-dir", machine.runDirectory, "--json"], false],
  [["status", "--run-dir", `${machine.runDirectory}-absent`], false],
  [["boot", "--dry-run", "--cmdline", cmdline], false],
  [["finish", "--run-dir", `${machine.runDirectory}-empty`], false],
  [
    [
      ...["toplayer", "check", layer, "--image", "system:1"],
      ...["--docker", "/mnt"],
    ],
    true,
  ],
  [["toplayer", "init", `${layer}-new`, "--yes"], true],
  [["boot-entry", "--docker", "/mnt"], false],
  [["completion", "bash"], false],
  [["resolve", "system:1", "--docker", "/mnt"], true],
  [["doctor", "--image", "system:1"], true],
  [["install", "--dry-run"], false],
  [["uninstall", "--dry-run"], false],
];

/** Stdout and stderr as one, with the disk's image store at /mnt. */
function call(
  args: readonly string[],
  isTerminal: boolean,
  environment: NodeJS.ProcessEnv = {},
): string {
  const quoted = [executable, ...args].map((word) => `'${word}'`).join(" ");
  const inSystem = `mount -o subvol=docker ${disk.device} /mnt && ${quoted} 2>&1`;
  const alone = ["unshare", "--mount", "--propagation", "private", "sh", "-c"];
  const [program = "", ...rest] = isTerminal
    ? ["script", "-qc", [...alone, `"${inSystem}"`].join(" "), "/dev/null"]
    : [...alone, inSystem];
  const { stdout, error } = spawnSync(program, rest, {
    ...{ encoding: "utf8", timeout: scaleTimeout(60_000) },
    env: { PATH: process.env["PATH"], TERM: "xterm-256color", ...environment },
  });
  if (error !== undefined) throw error;
  return stdout;
}

for (const [args, hasColours] of calls) {
  t.test(`dockroot ${args.join(" ").replaceAll(disk.scratch, "")}`, (t) => {
    const terminal = call(args, true);
    t.not(terminal, "");
    t.equal(terminal.includes(ESCAPE), hasColours, "on a terminal");
    const plain = call(args, true, { NO_COLOR: "1" });
    t.notMatch(plain, ESCAPE, "with NO_COLOR");
    t.notMatch(call(args, false), ESCAPE, "in a pipe");
    t.end();
  });
}
