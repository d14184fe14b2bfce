import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../../fixtures/run.ts";
import { scaleTimeout } from "../../fixtures/slowness.ts";
import { undoLater } from "../../fixtures/undo.ts";
import { executable } from "../binary/run-dockroot.ts";
import type { HelperWrappers } from "./helper-wrappers.ts";
import {
  formatPoint,
  parseEvent,
  stageFile,
  type Event,
  type Point,
  type Side,
} from "./overlaps-helpers.ts";
import { followProcess, type StagedProcess } from "./overlaps-process.ts";

/** A machine on which two processes of dockroot run, each of which stops at a point. */
export interface StagedMachine {
  /**
   * Runs dockroot.
   * @param point where it stops; `undefined`: nowhere
   */
  readonly start: (
    side: Side,
    args: readonly string[],
    point?: Point,
  ) => Pick<StagedProcess, "settle" | "end">;
  /** Lets it go on from its point, or pass it. */
  readonly release: (side: Side) => void;
  /** stdout and stderr of its last run. */
  readonly said: (side: Side) => string;
  /** In the order in which they were. */
  readonly events: readonly Event[];
  /** What is mounted below a directory. */
  readonly mountsBelow: (directory: string) => string[];
  /** What runs there, besides the machine itself, when that has had its time to end. */
  readonly running: () => Promise<string[]>;
  /** Ends it with all that runs there and is mounted. */
  readonly close: () => Promise<void>;
}

const END_LIMIT_MS = 5_000;
const POLL_MS = 5;
/** Its shell, and what hands on the events. */
const OWN_PROCESSES = 2;

/**
 * @param helpers of `makeStagedHelpers`
 * @param directory theirs
 * @param prepare shell that runs first: what it mounts is the machine's own
 */
export async function startStagedMachine(
  helpers: HelperWrappers,
  directory: string,
  prepare = "",
): Promise<StagedMachine> {
  const stage = (name: string) => stageFile(directory, name);
  fs.rmSync(stage(""), { recursive: true, force: true });
  fs.mkdirSync(stage(""));
  await run(["mkfifo", ...["events", "A.go", "B.go"].map(stage)]);
  const [program = "", ...args] = helpers.command(`
cd '${stage("")}' || exit
exec 3<>events
'${helpers.real("cat")}' <&3 &
${prepare}
echo ready
while read -r line; do eval "$line"; done
`);
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(child, "exit");
  // Whoever opens such a FIFO for writing alone waits for a reader.
  const go = {
    A: fs.openSync(stage("A.go"), "r+"),
    B: fs.openSync(stage("B.go"), "r+"),
  };
  const close = undoLater(async () => {
    child.kill("SIGKILL");
    await exited;
    fs.closeSync(go.A);
    fs.closeSync(go.B);
  });
  const events: Event[] = [];
  const processes: Partial<Record<Side, StagedProcess>> = {};
  const lines = createInterface({ input: child.stdout });
  const ready = once(lines, "line");
  lines.on("line", (line) => {
    const event = parseEvent(line);
    if (event === undefined) return;
    events.push(event);
    processes[event.side]?.notice(event);
  });
  const hasStarted = await Promise.race([
    ready.then(() => true),
    exited.then(() => false),
  ]);
  if (!hasStarted) throw new Error("the machine did not start");
  return {
    start: (side, args, point) => {
      for (const name of fs.readdirSync(stage(""))) {
        if (name.startsWith(`${side}-`)) fs.rmSync(stage(name));
      }
      const text = point === undefined ? "" : formatPoint(point);
      fs.writeFileSync(stage(`${side}.point`), `${text}\n`);
      const process = followProcess();
      processes[side] = process;
      const command = [executable, ...args].map((arg) => `'${arg}'`).join(" ");
      const identify = `read -r self _ </proc/self/stat; echo "$self" >${side}.process`;
      child.stdin.write(
        `( ( ${identify}; exec ${command} ) >${side}.said 2>&1; echo "${side} ended $? 0 dockroot" >events ) &\n`,
      );
      return process;
    },
    release: (side) => {
      processes[side]?.pass();
      fs.writeSync(go[side], "\n");
    },
    said: (side) => fs.readFileSync(stage(`${side}.said`), "utf8"),
    events,
    mountsBelow: (below) =>
      fs
        .readFileSync(`/proc/${String(child.pid)}/mountinfo`, "utf8")
        .split("\n")
        .flatMap((line) => line.split(" ")[4] ?? [])
        .filter((point) => point.startsWith(`${below}/`)),
    running: async () => {
      const end = Date.now() + scaleTimeout(END_LIMIT_MS);
      for (;;) {
        const found = listProcesses(
          `/proc/${String(child.pid)}/ns/pid_for_children`,
        );
        if (found.length <= OWN_PROCESSES) return [];
        if (Date.now() > end) return found;
        await sleep(POLL_MS);
      }
    },
    close,
  };
}

/** The commands of what is in a PID namespace and has not ended. */
function listProcesses(namespace: string): string[] {
  const wanted = fs.readlinkSync(namespace);
  const commands = fs
    .readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((id) => {
      try {
        return fs.readlinkSync(`/proc/${id}/ns/pid`) === wanted
          ? fs.readFileSync(`/proc/${id}/cmdline`, "utf8")
          : "";
      } catch {
        // It has ended meanwhile.
        return "";
      }
    });
  // One that nobody has asked for its status has none.
  return commands
    .filter((command) => command !== "")
    .map((command) => command.replaceAll("\0", " "));
}
