import { formatJson } from "../../runtime/base/escape.ts";
import path from "node:path";
import { limitHelpers, silence } from "../../runtime/host/host.ts";
import type { CliContext } from "../cli/cli-context.ts";
import { holdSignals } from "../system/hold-signals.ts";
import {
  findProblems,
  reportEntry,
  type CheckReport,
} from "../toplayer/rules/find-problems.ts";
import { formatCheck } from "../toplayer/rules/format-check.ts";
import { gatherCheckFacts } from "../toplayer/gather-check-facts.ts";
import { withSources } from "../toplayer/open-sources.ts";
import { readStoreChoice } from "../cli/parse.ts";
import type { FlagsOf } from "../cli/table.ts";

/** Everything is there already: what takes longer hangs. */
const HELPER_TIMEOUT_MS = 30_000;

/**
 * `dockroot toplayer check`: what a top layer does to the image, and what is wrong with it. Changes
 * nothing.
 * @returns the exit status: 1 where an error is found
 * @throws BootError
 */
export async function runToplayerCheck(
  { image, all = false, json, ...flags }: FlagsOf<"toplayer check">,
  { host: unlimited, terminal, stdout }: CliContext,
  directories: readonly string[],
): Promise<number> {
  const request = {
    directories: directories.map((directory) => path.resolve(directory)),
    image,
    store: readStoreChoice(flags),
  };
  const host = silence(limitHelpers(unlimited, HELPER_TIMEOUT_MS));
  const report = await holdSignals(() =>
    withSources(host, request, async ({ layers, names, image, boot }) => {
      const facts = await gatherCheckFacts(host, layers, image, boot);
      const { reference, id } = image;
      return {
        version: 1,
        image: { reference, id },
        layers: names,
        entries: facts.entries.map(reportEntry),
        problems: findProblems(facts),
      } satisfies CheckReport;
    }),
  );
  stdout(json ? formatJson(report) : formatCheck(report, all, terminal));
  return report.problems.some(({ level }) => level === "error") ? 1 : 0;
}
