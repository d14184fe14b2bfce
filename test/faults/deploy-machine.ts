import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { scaleTimeout } from "../../fixtures/slowness.ts";
import { systemErrorCode } from "../../runtime/base/errors.ts";
import { executable } from "../binary/run-dockroot.ts";
import type { Machine } from "./faulty-start.ts";

/** A running system, as far as dockroot looks at it. */
export interface DeployMachine {
  /** Of its disk, which has the engine's store and the boot loader's menu. */
  readonly label: string;
  readonly cmdline: string;
  /** Of the kernel that runs. */
  readonly release: string;
  /** boot.json; `undefined` where dockroot did not boot it. */
  readonly record: string | undefined;
}

/** What was done on a machine until it was switched off. */
export interface DeployRun {
  /** Each dockroot, in the order in which they began. */
  readonly tries: readonly Try[];
  /** What all of them said. */
  readonly said: string;
  readonly isHung: boolean;
  /** Mount points of dockroot's that were left. */
  readonly left: readonly string[];
}

interface Try {
  /** `undefined` where the machine was switched off before it ended. */
  readonly status: number | undefined;
  readonly command: string;
  readonly said: string;
}

const LIMIT_S = 60;

/**
 * Switches a machine on and runs a shell script in it; what was mounted and what runs is gone afterwards.
 *
 * - `dockroot ARGS`: runs it in a process group of its own, and waits; `$pid` is its process ID
 * - `begin ARGS`, `finish`: the same in two steps
 *
 * @param directory is made anew
 */
export function runOnMachine(
  { command }: Machine,
  directory: string,
  machine: DeployMachine,
  script: string,
): DeployRun {
  const file = writeMachine(directory, machine, script, executable);
  const [program = "", ...args] = command(`. '${file}'`);
  const { error, stderr } = spawnSync(program, args, {
    timeout: scaleTimeout(LIMIT_S * 1000),
    killSignal: "SIGKILL",
    encoding: "utf8",
  });
  const isHung = systemErrorCode(error) === "ETIMEDOUT";
  if (error !== undefined && !isHung) throw error;
  return { ...readRun(directory, stderr), isHung };
}

/** @throws Error where its first command has failed */
export function requireDone({ tries, said }: Omit<DeployRun, "isHung">): void {
  if (tries[0]?.status !== 0) throw new Error(said);
}

/**
 * Writes what a machine has, and what is done on it.
 * @param directory is made anew
 * @returns the script, for a shell that is the first process of its PID namespace
 */
export function writeMachine(
  directory: string,
  { label, cmdline, release, record }: DeployMachine,
  script: string,
  dockroot: string,
): string {
  const file = (name: string) => path.join(directory, name);
  fs.rmSync(directory, { recursive: true, force: true });
  for (const name of ["etc", "var-lib/docker", "run"]) {
    fs.mkdirSync(file(name), { recursive: true });
  }
  fs.writeFileSync(file("cmdline"), `${cmdline}\n`);
  fs.writeFileSync(file("release"), `${release}\n`);
  if (record !== undefined) fs.writeFileSync(file("run/boot.json"), record);
  fs.writeFileSync(
    file("machine"),
    `${describeMachine(directory, label, dockroot)}${script}${EPILOGUE}`,
  );
  return file("machine");
}

/**
 * Reads what was done on a machine.
 * @param stderr of the shell
 * @throws Error where it did not come up
 */
export function readRun(
  directory: string,
  stderr: string,
): Omit<DeployRun, "isHung"> {
  const read = (name: string) => {
    const file = path.join(directory, name);
    return fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
  };
  if (!read("up").includes("up"))
    throw new Error(`it did not come up: ${stderr}`);
  const linesOf = (name: string) =>
    read(name)
      .split("\n")
      .filter((line) => line !== "");
  const tries = linesOf("tries").map((line): Try => {
    const [, number = "", text = ""] = /^(\d+) (.*)$/.exec(line) ?? [];
    const status = read(`status-${number}`).trim();
    return {
      status: status === "" ? undefined : Number(status),
      command: text,
      said: read(`said-${number}`),
    };
  });
  return {
    tries,
    said: `${tries.map(({ command: text, said }) => `$ dockroot ${text}\n${said}`).join("")}${stderr}`,
    left: linesOf("mounts")
      .flatMap((line) => line.split(" ")[4] ?? [])
      .filter((point) => point.startsWith("/run/dockroot/")),
  };
}

/** @param directory has the machine's files */
function describeMachine(
  directory: string,
  label: string,
  dockroot: string,
): string {
  return `
cd '${directory}' || exit
set -e
mount -t proc proc /proc
mount --bind etc /etc
mount --bind cmdline /proc/cmdline
mount --bind release /proc/sys/kernel/osrelease
mount --bind var-lib /var/lib
for each in /boot /efi /esp; do [ ! -d "$each" ] || mount -t tmpfs none "$each"; done
mount -t tmpfs -o mode=0755 none /run
mount -t btrfs -o subvol=docker 'LABEL=${label}' /var/lib/docker
mkdir -m 0700 /run/dockroot
for each in run/*; do [ ! -e "$each" ] || cp "$each" /run/dockroot; done
set +e
echo up >up
number=0
begin() {
	number=$((number + 1))
	echo "$number $*" >>tries
	setsid '${dockroot}' "$@" >"said-$number" 2>&1 </dev/null &
	pid=$!
}
finish() { wait "$pid"; set -- "$?"; echo "$1" >"status-$number"; return "$1"; }
dockroot() { begin "$@"; finish; }
`;
}

const EPILOGUE = `
while read -r line; do echo "$line"; done </proc/self/mountinfo >mounts
`;
