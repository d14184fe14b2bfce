import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { scaleTimeout } from "../../fixtures/slowness.ts";
import { systemErrorCode } from "../../runtime/base/errors.ts";
import { executable } from "../binary/run-dockroot.ts";
import type { BootRecord } from "../root/boot-disk.ts";

/** A boot of a machine that restarts afterwards: what was mounted is gone then. */
export interface Start {
  /** Of `dockroot boot`; NaN where it did not end. */
  readonly status: number;
  /** After so long it was killed, with all that it had started; `undefined` where it ended. */
  readonly hungForS: number | undefined;
  /** Of `dockroot finish`, which follows a boot that succeeded. */
  readonly finishStatus: number | undefined;
  readonly said: string;
  /** `undefined` where boot.json is absent. */
  readonly record: BootRecord | undefined;
  /** Mount points below its directory that were left when it had ended. */
  readonly left: readonly string[];
}

/** How a shell script is run on a machine of its own, whose mounts end with it. */
export interface Machine {
  readonly command: (script: string) => string[];
}

export const plainMachine: Machine = {
  command: (script) => [
    ...["unshare", "--mount", "--propagation=private"],
    ...["--pid", "--fork", "--kill-child", "--", "sh", "-c", script],
  ],
};

/** dockroot's own. */
const DEFAULT_HELPER_TIMEOUT_S = 300;

/** Longer than any start takes in which some helpers do not end. */
function limitOf(cmdline: string): number {
  const limits = Array.from(
    cmdline.matchAll(/(?:^| )dockroot\.timeout=(\d+)/g),
    ([, seconds]) => Number(seconds),
  );
  return 30 + 3 * (limits.at(-1) ?? DEFAULT_HELPER_TIMEOUT_S);
}

/**
 * Starts a machine with a kernel command line; its files go into `directory`, which is made anew.
 * One that does not end is killed.
 */
export function start(
  { command }: Machine,
  directory: string,
  cmdline: string,
): Start {
  fs.rmSync(directory, { recursive: true, force: true });
  fs.mkdirSync(`${directory}/run`, { recursive: true });
  const file = (name: string) => path.join(directory, name);
  fs.writeFileSync(file("cmdline"), cmdline);
  fs.writeFileSync(file("config.json"), "{}");
  const [program = "", ...args] = command(`
'${executable}' boot --cmdline '${file("cmdline")}' --config '${file("config.json")}' --run-dir '${file("run")}' >'${file("said")}' 2>&1
status=$?
echo "$status" >'${file("status")}'
if [ "$status" = 0 ]; then
  '${executable}' finish --run-dir '${file("run")}' >>'${file("said")}' 2>&1
  echo "$?" >>'${file("status")}'
fi
while read -r line; do echo "$line"; done </proc/self/mountinfo >'${file("mounts")}'
`);
  const limitS = limitOf(cmdline);
  const { error, stderr } = spawnSync(program, args, {
    timeout: scaleTimeout(limitS * 1000),
    killSignal: "SIGKILL",
    encoding: "utf8",
  });
  const isHung = systemErrorCode(error) === "ETIMEDOUT";
  if (error !== undefined && !isHung) throw error;
  if (!isHung && !fs.existsSync(file("mounts"))) throw new Error(stderr);
  const read = (name: string) =>
    fs.existsSync(file(name)) ? fs.readFileSync(file(name), "utf8") : "";
  const [status, finishStatus] = (read("status").match(/\d+/g) ?? []).map(
    Number,
  );
  const bootJson = read("run/boot.json");
  return {
    status: status ?? NaN,
    finishStatus,
    hungForS: isHung ? limitS : undefined,
    said: read("said"),
    record: bootJson === "" ? undefined : (JSON.parse(bootJson) as BootRecord),
    left: read("mounts")
      .split("\n")
      .flatMap((line) => line.split(" ")[4] ?? [])
      .filter((point) => point.startsWith(`${directory}/`)),
  };
}
