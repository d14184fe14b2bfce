import path from "node:path";
import { UsageError } from "../../runtime/base/errors.ts";
import { limitHelpers, type Host } from "../../runtime/host/host.ts";
import { createLog } from "../../runtime/host/log.ts";
import type { CliContext } from "../cli/cli-context.ts";
import { holdSignals } from "../system/hold-signals.ts";
import {
  findProblems,
  reportEntry,
  type CheckReport,
} from "../toplayer/rules/find-problems.ts";
import {
  formatCheck,
  formatCheckAsJson,
} from "../toplayer/rules/format-check.ts";
import { gatherFacts } from "../toplayer/gather-check-facts.ts";
import { withSources } from "../toplayer/open-sources.ts";
import {
  imageFlags,
  readStoreFlags,
  type StoreFlags,
} from "../cli/image-flags.ts";
import { requireRoot } from "../cli/require-root.ts";

export const toplayerCheckFlags = {
  ...imageFlags,
  all: {
    type: "boolean",
    describe: "list every entry, those of new directories too",
  },
  json: {
    type: "boolean",
    describe: "print all of it as JSON",
  },
} as const;

export interface ToplayerCheckFlags extends StoreFlags {
  readonly directories: readonly string[];
  readonly image?: string | undefined;
  readonly all?: boolean | undefined;
  readonly json?: boolean | undefined;
}

/** Everything is there already: what takes longer hangs. */
const HELPER_TIMEOUT_MS = 30_000;

/**
 * `dockroot toplayer check`: what a top layer does to the image, and what is wrong with it. Changes
 * nothing.
 * @returns the exit status: 1 where an error is found
 * @throws BootError, UsageError
 */
export async function runToplayerCheck(
  { directories, image, all, json, ...flags }: ToplayerCheckFlags,
  { host: unlimited, isRoot, terminal, stdout }: CliContext,
): Promise<number> {
  if (directories.includes("")) throw new UsageError("DIR names no directory");
  const request = {
    directories: directories.map((directory) => path.resolve(directory)),
    image,
    store: readStoreFlags(flags),
  };
  requireRoot(isRoot, "toplayer check");
  const host = silence(limitHelpers(unlimited, HELPER_TIMEOUT_MS));
  const report = await holdSignals(() =>
    withSources(host, request, async ({ layers, names, image, boot }) => {
      const facts = await gatherFacts(host, layers, image.root, boot);
      const { reference, id } = image;
      return {
        ...{ version: 1, image: { reference, id }, layers: names },
        entries: facts.entries.map(reportEntry),
        problems: findProblems(facts),
      } satisfies CheckReport;
    }),
  );
  stdout(
    json === true
      ? formatCheckAsJson(report)
      : formatCheck(report, { all: all === true }, terminal),
  );
  return report.problems.some(({ level }) => level === "error") ? 1 : 0;
}

/** The same machine, where the steps of a start are not told: the report tells what there is. */
function silence(host: Host): Host {
  return { ...host, log: createLog([]) };
}
