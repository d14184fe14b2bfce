import path from "node:path";
import { UsageError } from "../../runtime/base/errors.ts";
import { formatJson } from "../../runtime/base/escape.ts";
import { limitHelpers } from "../../runtime/host/host.ts";
import type { CliContext } from "../cli/cli-context.ts";
import { readStoreChoice } from "../cli/parse.ts";
import { createProgress } from "../cli/progress.ts";
import type { FlagsOf } from "../cli/table.ts";
import { diffRoot } from "../diff/diff-root.ts";
import {
  chooseChanges,
  describeDiff,
  formatDiff,
} from "../diff/formats/format-diff.ts";

/** Of a root in which much has changed. */
const HELPER_TIMEOUT_MS = 3_600_000;

const EXIT_CHANGED = 3;

/**
 * `dockroot diff [PATH...]`: what the next root will not have.
 * @returns the exit status: with --exit-code 3 where there is something
 * @throws BootError, UsageError
 */
export async function runDiff(
  { json = false, all: isAll = false, generation, ...flags }: FlagsOf<"diff">,
  { host: unlimited, stdout, stderr, terminal }: CliContext,
  operands: readonly string[],
): Promise<number> {
  const host = limitHelpers(unlimited, HELPER_TIMEOUT_MS);
  const number = generation === undefined ? undefined : parseNumber(generation);
  const isShort = json || terminal.columns === undefined;
  const diff = await diffRoot(
    host,
    { store: readStoreChoice(flags), generation: number },
    isShort
      ? (_, work) => work()
      : createProgress(stderr, terminal, () => host.nowMs()),
  );
  const view = {
    ...{ diff, isAll, isRunning: number === undefined },
    paths: operands.map((operand) => path.resolve(operand)),
  };
  stdout(
    json ? formatJson(describeDiff(view)) : formatDiff(view, terminal.style),
  );
  const isChanged = chooseChanges(view).chosen.length > 0;
  return isChanged && flags["exit-code"] === true ? EXIT_CHANGED : 0;
}

/** @throws UsageError */
function parseNumber(text: string): number {
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text);
  throw new UsageError(`${text} is not the number of an earlier root`);
}
