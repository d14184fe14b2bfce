import { spawnSync } from "node:child_process";
import path from "node:path";
import { scaleTimeout } from "../../fixtures/slowness.ts";

/** What `make build` has made; TEST_EXECUTABLE: another one. */
export const executable = path.resolve(
  import.meta.dirname,
  "../..",
  process.env["TEST_EXECUTABLE"] ?? "dist/dockroot",
);

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the built executable as a machine without Node would: no PATH, no environment. */
export function runDockroot(...args: string[]): Outcome {
  return runIn({}, ...args);
}

export function runIn(
  environment: NodeJS.ProcessEnv,
  ...args: string[]
): Outcome {
  const { status, stdout, stderr, error } = spawnSync(executable, args, {
    cwd: "/",
    env: { PATH: "/nonexistent", ...environment },
    encoding: "utf8",
    timeout: scaleTimeout(30_000),
  });
  if (error !== undefined) throw error;
  return { status, stdout, stderr };
}
