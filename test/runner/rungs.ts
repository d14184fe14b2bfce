import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { findProgram } from "./find-program.ts";

export type RungName = "unit" | "binary" | "root" | "vm" | "faults";

/** One rung of the ladder of tests: the files `test/<name>/*.test.ts`. */
export interface Rung {
  readonly name: RungName;
  /** Takes long, and runs only where it is asked for by name. */
  readonly isCampaign?: true;
  /** How many files run at the same time. */
  readonly jobs: number;
  /** For one file, and for each test in it. */
  readonly timeoutSeconds: number;
  readonly needsRoot: boolean;
  /** Commands and files without which the rung cannot run. */
  readonly commands: readonly string[];
}

const engineCommands = ["btrfs", "mkfs.btrfs", "losetup", "dockerd", "docker"];
const machineCommands = [
  ...engineCommands,
  "debootstrap",
  "qemu-system-x86_64",
];

/** In the order in which they run. */
export const rungs: readonly Rung[] = [
  {
    name: "unit",
    jobs: 2,
    timeoutSeconds: 180,
    needsRoot: false,
    commands: [],
  },
  {
    name: "binary",
    jobs: 1,
    timeoutSeconds: 180,
    needsRoot: false,
    commands: ["strip", "readelf"],
  },
  {
    name: "root",
    jobs: 1,
    timeoutSeconds: 600,
    needsRoot: true,
    commands: [...engineCommands, "debootstrap"],
  },
  {
    name: "vm",
    jobs: 1,
    timeoutSeconds: 1500,
    needsRoot: true,
    commands: machineCommands,
  },
  {
    name: "faults",
    isCampaign: true,
    jobs: 1,
    // FAULTS=n and FAULTS=all take as long as they take.
    timeoutSeconds: (process.env["FAULTS"] ?? "") === "" ? 1800 : 1e6,
    needsRoot: true,
    commands: [...machineCommands, "qemu-storage-daemon", "/dev/fuse"],
  },
];

/** Why the rung cannot run here; `undefined` where it can. */
export function reasonToSkip(rung: Rung): string | undefined {
  const missing = rung.commands.filter((command) =>
    command.startsWith("/")
      ? !existsSync(command)
      : findProgram(command) === undefined,
  );
  if (missing.length > 0) {
    return `not found: ${missing.join(", ")} (run: scripts/setup test)`;
  }
  if (rung.name === "binary" && !existsSync("dist/dockroot")) {
    return "dist/dockroot is not built (run: make build)";
  }
  if (rung.needsRoot && !canBeRoot()) {
    return "needs root: neither root nor allowed to use sudo";
  }
  return undefined;
}

export const isRoot = process.getuid?.() === 0;

/** Asks for the password where sudo wants one and there is somebody to ask. */
function canBeRoot(): boolean {
  if (isRoot) return true;
  if (findProgram("sudo") === undefined) return false;
  const ask = process.stdin.isTTY ? [] : ["-n"];
  return spawnSync("sudo", [...ask, "-v"], { stdio: "inherit" }).status === 0;
}
