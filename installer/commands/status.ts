import { formatJson } from "../../runtime/base/escape.ts";
import path from "node:path";
import { DEFAULT_RUN_DIRECTORY } from "../../runtime/disk/run-directory.ts";
import type { CliContext } from "../cli/cli-context.ts";
import { formatStatus } from "../status/formats/format-status.ts";
import type { FlagsOf } from "../cli/table.ts";
import { readStatus } from "../status/read-status.ts";

const EXIT_FALLBACK = 4;

/**
 * `dockroot status`: what booted, how, and which earlier roots there are.
 * @returns the exit status: 1 where dockroot did not boot this system, 4 where it is not the one that was to boot
 * @throws BootError
 */
export async function runStatus(
  { "run-dir": directory = DEFAULT_RUN_DIRECTORY, json }: FlagsOf<"status">,
  { host, isRoot, terminal, stdout }: CliContext,
): Promise<number> {
  const runDirectory = path.resolve(directory);
  const status = await readStatus(host, { runDirectory, isRoot });
  stdout(json ? formatJson(status) : formatStatus(status, terminal));
  if (status.result === "failed") return 1;
  const isFallback =
    status.result === "fallback" || (status.deployments?.bad ?? null) !== null;
  return isFallback ? EXIT_FALLBACK : 0;
}
