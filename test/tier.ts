import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";

const PROJECT = path.join(import.meta.dirname, "..");

/**
 * Whether the campaigns of faults run whole, as in `make test-all`, or a sample of each, as in
 * `make test`: from TEST_TIER, which is `all` or `first`.
 */
export function isWholeTier(): boolean {
  const tier = process.env["TEST_TIER"] ?? "";
  if (tier === "all") return true;
  if (tier === "first" || tier === "") return false;
  throw new Error(`TEST_TIER=${tier} is neither "first" nor "all"`);
}

/** Which sample is taken: TEST_SEED or, without it, by the commit that is checked out. */
export function sampleSeed(): number {
  const seed = process.env["TEST_SEED"] ?? "";
  if (seed === "") return deriveSeed(readCommit());
  if (/^\d{1,10}$/.test(seed) && Number(seed) < 2 ** 32) return Number(seed);
  throw new Error(`TEST_SEED=${seed} is not a decimal number below 2^32`);
}

/**
 * The seed for a commit: 32 bits of its name, so that each commit gets another sample.
 * @param commit as `git rev-parse HEAD` prints it; empty outside of a git checkout: the seed is 0
 */
export function deriveSeed(commit: string): number {
  const name = commit.trim();
  if (name === "") return 0;
  const [, digits] = /^([0-9a-f]{8})[0-9a-f]*$/.exec(name) ?? [];
  if (digits === undefined) throw new Error(`${name} is not a commit's name`);
  return Number.parseInt(digits, 16);
}

function readCommit(): string {
  if (!existsSync(path.join(PROJECT, ".git"))) return "";
  // The tests of a user's checkout may run as root.
  return execFileSync(
    "git",
    ["-c", "safe.directory=*", "rev-parse", "--verify", "HEAD"],
    { cwd: PROJECT, encoding: "utf8" },
  );
}
