import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { executable } from "../binary/run-dockroot.ts";
import type { BootRecord } from "../root/boot-disk.ts";

/** A start of a machine that restarts afterwards: what was mounted is gone then. */
export interface Start {
  readonly status: number;
  /** Of `dockroot finish`, which follows a boot that succeeded. */
  readonly finishStatus: number | undefined;
  readonly said: string;
  /** `undefined` where boot.json is absent. */
  readonly record: BootRecord | undefined;
  /** Mount points of the start that were left once it was finished. */
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

/** Longer than any start may take that stops waiting for its helpers. */
const TIMEOUT_MS = 60_000;

/** Starts a machine with a kernel command line; its files go into `directory`, which is made anew. */
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
  const { error, stderr } = spawnSync(program, args, {
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
    encoding: "utf8",
  });
  if (error !== undefined) {
    const said = fs.readFileSync(file("said"), "utf8");
    throw new Error(`the start does not end: ${said}`, { cause: error });
  }
  if (!fs.existsSync(file("mounts"))) throw new Error(stderr);
  const [status, finishStatus] = fs
    .readFileSync(file("status"), "utf8")
    .trim()
    .split("\n")
    .map(Number);
  const bootJson = file("run/boot.json");
  return {
    status: status ?? NaN,
    finishStatus,
    said: fs.readFileSync(file("said"), "utf8"),
    record: fs.existsSync(bootJson)
      ? (JSON.parse(fs.readFileSync(bootJson, "utf8")) as BootRecord)
      : undefined,
    left: fs
      .readFileSync(file("mounts"), "utf8")
      .split("\n")
      .flatMap((line) => line.split(" ")[4] ?? [])
      .filter((point) => point.startsWith(`${directory}/`)),
  };
}
