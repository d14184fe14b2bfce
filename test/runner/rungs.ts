import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { parseDeclaration, type Declaration } from "./declaration.ts";
import { findProgram } from "./find-program.ts";

export type RungName = "unit" | "binary" | "root" | "vm" | "faults";

/** One rung of the ladder of tests: the files `test/<name>/*.test.ts`. */
export interface Rung {
  readonly name: RungName;
  /** For one file, and for each test in it, on the machine for which time limits are set. */
  readonly timeoutSeconds: number;
  readonly needsRoot: boolean;
  /** Commands and files without which the rung cannot run. */
  readonly commands: readonly string[];
  /** What holds for a file without a declaration; without it each must have one. */
  readonly usual?: Declaration;
}

const engineCommands = ["btrfs", "mkfs.btrfs", "losetup", "dockerd", "docker"];
const machineCommands = [
  ...engineCommands,
  ...["debootstrap", "qemu-system-x86_64"],
];
const short = parseDeclaration("// runner: tier=first seconds=1");

export const rungs: readonly Rung[] = [
  {
    name: "unit",
    timeoutSeconds: 180,
    needsRoot: false,
    commands: [],
    usual: short,
  },
  {
    name: "binary",
    timeoutSeconds: 180,
    needsRoot: false,
    commands: ["strip", "readelf"],
    usual: short,
  },
  {
    name: "root",
    timeoutSeconds: 900,
    needsRoot: true,
    commands: [...engineCommands, "debootstrap"],
  },
  {
    name: "vm",
    timeoutSeconds: 1800,
    needsRoot: true,
    commands: [...machineCommands, "qemu-img", "sfdisk", "mkfs.vfat", "mcopy"],
  },
  {
    name: "faults",
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
    return `not found: ${missing.join(", ")} (run: scripts/setup test-${rung.name})`;
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
