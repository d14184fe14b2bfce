import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { scaleTimeout } from "../../fixtures/slowness.ts";
import { systemErrorCode } from "../../runtime/base/errors.ts";
import { executable } from "../binary/run-dockroot.ts";
import type { BootRecord } from "../root/boot-disk.ts";
import { numberCalls, type FaultyHelpers } from "./faulty-helpers.ts";
import type { Start } from "./faulty-start.ts";
import { ATTACKS, type Injection, type UsualStart } from "./kill-plan.ts";

/** What became of a boot in which a dockroot was attacked, on a machine that went on afterwards. */
export interface KilledStart extends Start {
  /** Where the victim was: it was there when the moment came. `undefined`: there was nothing to attack. */
  readonly hit: Hit | undefined;
  /** All that was run, in order: status and command. */
  readonly tries: readonly Try[];
  /** Each dockroot that ran, in the order in which they began. */
  readonly runs: readonly Run[];
  /** What ran on that the attack was to end: the dockroot, or a helper of it. */
  readonly outlived: readonly string[];
  /** Processes that were there when all had ended. */
  readonly processes: readonly string[];
}

export interface Hit {
  /** Of the dockroot. */
  readonly processId: string;
  readonly helper: string;
  /** So many helpers had been called. */
  readonly calls: number;
}

interface Try {
  readonly status: number;
  readonly command: string;
}

interface Run {
  readonly processId: string;
  readonly command: string;
  readonly said: string;
}

export interface KillBench {
  readonly attack: (injection: Injection, cmdline: string) => KilledStart;
  /** A boot that is not attacked. */
  readonly watch: (cmdline: string) => {
    start: KilledStart;
    usual: UsualStart;
  };
  /** What helpers were called in the last boot. */
  readonly calls: () => readonly string[];
}

const FUNCTIONS = path.resolve(
  import.meta.dirname,
  "../../installer/assets/dockroot-functions",
);
const ENDS_DOCKROOT =
  /^SIG\w+ to (?:dockroot|its process group)$|then SIGKILL$/;
/** Longer than any start takes that is stopped for a while and tried again. */
const LIMIT_S = 90;

/**
 * A machine whose initramfs starts dockroot as the scripts of initramfs-tools do.
 * @param directory is made anew for each boot
 */
export function createKillBench(
  helpers: FaultyHelpers,
  directory: string,
): KillBench {
  const file = (name: string) => path.join(directory, name);
  const programs = path.dirname(helpers.real("sh"));
  // With a session of its own, as a service has; what it runs belongs to its process group.
  fs.writeFileSync(
    helpers.file("dockroot"),
    `#!${helpers.real("sh")}
PATH='${programs}'
echo "$$ $1" >>'${file("runs")}'
said='${file("said")}-'$$
(set -C; echo "$$" >'${file("pid")}-'"$1") 2>/dev/null
[ "$1" != boot ] || set -- "$@" --cmdline '${file("cmdline")}' --config '${file("config.json")}'
exec setsid '${executable}' "$@" --run-dir '${file("run")}' >>"$said" 2>&1
`,
    { mode: 0o755 },
  );
  const runMachine = (cmdline: string, script: string): KilledStart => {
    fs.rmSync(directory, { recursive: true, force: true });
    fs.mkdirSync(file("run"), { recursive: true });
    fs.writeFileSync(file("cmdline"), cmdline);
    fs.writeFileSync(file("config.json"), "{}");
    for (const name of ["tries", "runs"]) fs.writeFileSync(file(name), "");
    fs.writeFileSync(file("machine"), `${prologue()}${script}${EPILOGUE}`);
    const [program = "", ...args] = helpers.command(`. '${file("machine")}'`);
    const { error, stderr } = spawnSync(program, args, {
      timeout: scaleTimeout(LIMIT_S * 1000),
      killSignal: "SIGKILL",
      encoding: "utf8",
    });
    const isHung = systemErrorCode(error) === "ETIMEDOUT";
    if (error !== undefined && !isHung) throw error;
    return readStart(directory, isHung, stderr);
  };
  const prologue = () => `
PATH='${programs}'
directory='${directory}'
mount -t proc proc /proc && cd "$directory" || exit
. '${FUNCTIONS}'
run=$directory/run
dockroot() { /usr/bin/dockroot "$@"; }
note() { "$@"; set -- "$?" "$@"; echo "$*" >>tries; return "$1"; }
insist() { note $1 || note $2 || note $2; } # FIRST AGAIN
`;
  return {
    watch: (cmdline) => {
      helpers.arrange();
      const start = runMachine(
        cmdline,
        `
stamp() { echo "$(date +%s%N) $(wc -l <'${helpers.callLog}')" >>stamps; }
stamp; note dockroot boot; stamp; note dockroot finish; stamp
`,
      );
      return { start, usual: readUsual(file("stamps"), helpers.calls()) };
    },
    attack: (injection, cmdline) => {
      const { moment } = injection;
      if (moment.kind === "time") helpers.arrange();
      else {
        const begin = `setsid sh '${file("attack")}' "$PPID" "$$" </dev/null >/dev/null 2>&1`;
        const real = `PATH='${programs}'; : >'${file("attacking")}'`;
        // What comes at once is waited for.
        const call = moment.delayMs === 0 ? begin : `${begin} &`;
        helpers.arrangeCommands(
          moment.edge === "begin"
            ? `(${real}; ${call})`
            : `"$real" "$@"; status=$?; (${real}; ${call}); exit "$status"`,
          moment.call,
        );
      }
      return runMachine(
        cmdline,
        `
cat >attack <<'END'
PATH='${programs}'
cd '${directory}' || exit
${describeAttack(injection, helpers.callLog)}
END
attack_later() {
	: >attacking
	{ until [ -s pid-${injection.victim} ]; do sleep 0.002; done; setsid sh attack "$(cat pid-${injection.victim})"; } </dev/null >/dev/null 2>&1 &
}
${describeFlow(injection)}
`,
      );
    },
    calls: helpers.calls,
  };
}

/** What the machine runs. */
function describeFlow({
  flow,
  victim,
  moment,
  recovery,
  gateMs,
}: Injection): string {
  const attack = moment.kind === "time" ? "attack_later" : "";
  switch (flow) {
    case "boot":
      return `
${attack}
${recovery === "restart" ? "note dockroot boot; exit" : 'insist "dockroot boot" "dockroot boot"'}
insist "dockroot finish" "dockroot finish"`;
    case "finish":
      return `
note dockroot boot
${attack}
${
  {
    restart: "note dockroot finish; exit",
    over: "note dockroot finish; note dockroot boot; note dockroot finish",
    again: 'insist "dockroot finish" "dockroot finish"',
  }[recovery]
}`;
    case "early":
      return `
begin boot go; begin finish rooted
${attack}
sleep ${String(gateMs / 1000)}
${recovery === "restart" && victim === "boot" ? "note join boot go; exit" : 'insist "join boot go" "dockroot boot"'}
${recovery === "restart" ? "note join finish rooted; exit" : 'insist "join finish rooted" "dockroot finish"'}`;
  }
}

/** A script, given the process ID of a dockroot and, at a call, of its helper. */
function describeAttack(
  { seed, attack, moment, pauseMs }: Injection,
  callLog: string,
): string {
  const isOnHelper = attack === "SIGKILL to a helper";
  // What waits for the disk ends when that answers.
  const outlive = `sleep 0.5; for each in "$1" $helpers; do ! runs "$each" || [ "$state" = D ] || echo "$each $helper" >>outlived; done`;
  return `
runs() { { read -r _ _ state _ <"/proc/$1/stat"; } 2>/dev/null && [ "$state" != Z ]; }
parent_of() { read -r _ _ _ parent _ <"/proc/$1/stat"; echo "$parent"; }
pause() { sleep ${String(pauseMs / 1000)}; }
find_helper() { # DOCKROOT: one of those that run; waits for one.
	while runs "$1"; do
		set -- "$1" $(cat "/proc/$1/task"/*/children)
		if [ $# -gt 1 ]; then
			shift $((1 + ${String(seed)} % ($# - 1)))
			echo "$1"
			return
		fi
		sleep 0.002
	done
}
[ ${moment.delayMs.toFixed(1)} = 0.0 ] || sleep ${(moment.delayMs / 1000).toFixed(5)}
${isOnHelper ? '[ $# = 2 ] || set -- "$1" "$(find_helper "$1")"' : ""}
if runs "$${isOnHelper ? "2" : "1"}"; then
	helper=$(tr '\\0' ' ' <"/proc/$2/cmdline" 2>/dev/null)
	helpers=\${2-$(cat "/proc/$1/task"/*/children)}
	echo "$1 $(wc -l <'${callLog}') $helper" >hit
	${ATTACKS[attack]}
	${ENDS_DOCKROOT.test(attack) ? outlive : ""}
fi
: >attacked
`;
}

/** What is left at the end; an attack that has begun is waited for. */
const EPILOGUE = `
[ ! -e attacking ] || until [ -e attacked ]; do sleep 0.01; done
looks=0
while :; do
	found=
	for each in /proc/[0-9]*; do
		[ "$each" != /proc/1 ] && { read -r _ name state _ <"$each/stat"; } 2>/dev/null || continue
		[ "$state" = Z ] || found="$found $name"
	done
	[ -n "$found" ] && [ "$looks" -lt 100 ] || break
	looks=$((looks + 1))
	sleep 0.02
done
echo "$found" >processes
while read -r line; do echo "$line"; done </proc/self/mountinfo >mounts
`;

function readStart(
  directory: string,
  isHung: boolean,
  stderr: string,
): KilledStart {
  const file = (name: string) => path.join(directory, name);
  const read = (name: string) =>
    fs.existsSync(file(name)) ? fs.readFileSync(file(name), "utf8") : "";
  const linesOf = (name: string) =>
    read(name)
      .split("\n")
      .filter((line) => line !== "");
  const tries = linesOf("tries").map((line) => {
    const [, status = "", command = ""] = /^(\d+) (.*)$/.exec(line) ?? [];
    return { status: Number(status), command };
  });
  const runs = linesOf("runs").map((line) => {
    const [processId = "", command = ""] = line.split(" ");
    return { processId, command, said: read(`said-${processId}`) };
  });
  const statusOf = (command: string) =>
    tries.findLast((each) => each.command.split(" ").includes(command))?.status;
  const [, processId, calls, helper = ""] =
    /^(\d+) (\d+) (.*)$/m.exec(read("hit")) ?? [];
  const bootJson = read("run/boot.json");
  return {
    status: statusOf("boot") ?? NaN,
    finishStatus: statusOf("finish"),
    hungForS: isHung ? LIMIT_S : undefined,
    said: `${runs.map(({ said }) => said).join("")}${stderr}`,
    record: bootJson === "" ? undefined : (JSON.parse(bootJson) as BootRecord),
    left: linesOf("mounts")
      .flatMap((line) => line.split(" ")[4] ?? [])
      .filter((point) => point.startsWith(`${directory}/`)),
    hit:
      processId === undefined
        ? undefined
        : { processId, helper: helper.trim(), calls: Number(calls) },
    ...{ tries, runs, outlived: linesOf("outlived") },
    processes: read("processes")
      .split(/\s+/)
      .filter((name) => name !== ""),
  };
}

/** @param stamps before boot, between, and after finish: nanoseconds, and how many calls there were */
function readUsual(stamps: string, called: readonly string[]): UsualStart {
  const [begin, between, end] = fs
    .readFileSync(stamps, "utf8")
    .trim()
    .split("\n")
    .map((line) => line.split(" ").map(Number));
  const calls = numberCalls(called);
  const [beganNs = NaN] = begin ?? [];
  const [betweenNs = NaN, count = NaN] = between ?? [];
  const [endedNs = NaN] = end ?? [];
  return {
    calls: { boot: calls.slice(0, count), finish: calls.slice(count) },
    ms: {
      boot: (betweenNs - beganNs) / 1e6,
      finish: (endedNs - betweenNs) / 1e6,
    },
  };
}
