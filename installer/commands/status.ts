import path from "node:path";
import { DEFAULT_RUN_DIRECTORY } from "../../runtime/disk/run-directory.ts";
import { UsageError } from "../../runtime/base/errors.ts";
import type { CliContext } from "../cli/cli-context.ts";
import {
  formatStatus,
  formatStatusAsJson,
} from "../status/formats/format-status.ts";
import { readStatus } from "../status/read-status.ts";

export const statusFlags = {
  "run-dir": {
    type: "string",
    placeholder: "DIR",
    describe: "where boot left its record [/run/dockroot]",
  },
  json: {
    type: "boolean",
    describe: "print the status as JSON",
  },
} as const;

export interface StatusFlags {
  readonly "run-dir"?: string | undefined;
  readonly json?: boolean | undefined;
}

/**
 * `dockroot status`: what booted, how, and which former roots there are.
 * @returns the exit status: 1 where dockroot did not boot this system
 * @throws BootError, UsageError
 */
export async function runStatus(
  { "run-dir": directory = DEFAULT_RUN_DIRECTORY, json }: StatusFlags,
  { host, isRoot, terminal, stdout }: CliContext,
): Promise<number> {
  if (directory === "") throw new UsageError("--run-dir names no directory");
  const runDirectory = path.resolve(directory);
  const status = await readStatus(host, { runDirectory, isRoot });
  stdout(
    json === true ? formatStatusAsJson(status) : formatStatus(status, terminal),
  );
  return status.result === "failed" ? 1 : 0;
}
