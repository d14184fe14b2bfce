import path from "node:path";
import { BootError } from "../../runtime/base/errors.ts";
import { formatJson } from "../../runtime/base/escape.ts";
import { limitHelpers } from "../../runtime/host/host.ts";
import { parseImageReference } from "../../runtime/images/image-ref.ts";
import { nameImage } from "../../runtime/options/options.ts";
import type { CliContext } from "../cli/cli-context.ts";
import { describeSearch } from "../loaders/formats/boot-loaders.ts";
import { gatherEntryFacts } from "../loaders/gather-entry-facts.ts";
import { planEntry, type EntryPlan } from "../loaders/plan/plan-entry.ts";
import { writeEntry } from "../loaders/write-entry.ts";
import { readStoreChoice } from "../cli/parse.ts";
import type { FlagsOf } from "../cli/table.ts";

/** Everything is there already: what takes longer hangs. */
const HELPER_TIMEOUT_MS = 30_000;

/**
 * `dockroot boot-entry`: the boot menu entry for this machine, of what is found here.
 * @returns the exit status
 * @throws BootError
 */
export async function runBootEntry(
  { loader, output, image, toplayer, json, ...flags }: FlagsOf<"boot-entry">,
  { host: unlimited, stdout }: CliContext,
): Promise<number> {
  const store = readStoreChoice(flags);
  const reference =
    image === undefined
      ? undefined
      : nameImage(parseImageReference(image)).docker_image;
  const host = limitHelpers(unlimited, HELPER_TIMEOUT_MS);
  const facts = await gatherEntryFacts(
    host,
    store,
    reference,
    toplayer === undefined ? undefined : path.resolve(toplayer),
  );
  const plan = planEntry(facts, loader);
  const text = plan.loader.format(plan.entry);
  const written =
    output === undefined
      ? undefined
      : writeEntry(
          host,
          {
            loader: plan.loader.name,
            file: output === "" ? requireTarget(plan) : path.resolve(output),
            rwlayer: facts.bootedRwlayer,
          },
          text,
        );
  if (json) {
    stdout(formatJson(reportEntry(plan, text, written)));
    return 0;
  }
  for (const note of plan.notes) host.log.info(note);
  for (const warning of plan.warnings) host.log.warn(warning);
  if (written === undefined) stdout(text);
  else host.log.info(`wrote the entry to ${written}`);
  return 0;
}

/** @throws BootError LOADER_MISSING */
function requireTarget({ loader, target }: EntryPlan): string {
  if (target !== undefined) return target;
  throw new BootError(
    "LOADER_MISSING",
    `no configuration of ${loader.title} was found`,
    {
      cause: new Error(`looked for ${describeSearch()}`),
      hint: "Mount the partition that it is on, or name the file: --output FILE.",
    },
  );
}

/** What `dockroot boot-entry --json` prints, version 1. */
export function reportEntry(
  { loader, entry, notes, warnings }: EntryPlan,
  text: string,
  written: string | undefined,
) {
  const { title, kernel, initrds, options, version } = entry;
  const { device, uuid, label } = entry.filesystem;
  return {
    version: 1 as const,
    loader: loader.name,
    title,
    kernel: {
      path: kernel,
      version: version ?? null,
      filesystem: { device, uuid: uuid ?? null, label: label ?? null },
    },
    initrds,
    options,
    entry: text,
    written: written ?? null,
    notes,
    warnings,
  };
}
