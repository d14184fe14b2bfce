import path from "node:path";
import { BootError, UsageError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import {
  formatCmdline,
  USUAL_TOP_LAYER,
} from "../loaders/formats/boot-loader.ts";
import { nameTopLayer } from "../loaders/name-top-layer.ts";
import type { CliContext, Questions } from "../cli/cli-context.ts";
import { readStoreChoice } from "../cli/parse.ts";
import type { FlagsOf } from "../cli/table.ts";
import { holdSignals } from "../system/hold-signals.ts";
import { chooseAccounts, gatherInit } from "../toplayer/gather-init.ts";
import { formatInit } from "../toplayer/plan/format-init.ts";
import { planFiles } from "../toplayer/plan/plan-files.ts";
import { writeFiles } from "../toplayer/write-files.ts";

/**
 * `dockroot toplayer init`: a starting top layer for this machine. What is there already is left.
 * @returns the exit status
 * @throws BootError, UsageError
 */
export async function runToplayerInit(
  { yes, image, ...flags }: FlagsOf<"toplayer init">,
  { host, terminal, stdout, questions }: CliContext,
  [given = ""]: readonly string[],
): Promise<number> {
  const ask = yes ? answerYes : questions;
  if (ask === undefined) {
    throw new UsageError(
      "toplayer init asks which accounts to copy, but there is no terminal to ask on: give --yes to copy all",
    );
  }
  const facts = await gatherInit(host, readStoreChoice(flags), image);
  const chosen = await ask((confirm) =>
    chooseAccounts(facts.machine.accounts, confirm),
  );
  const plan = planFiles(facts, chosen);
  const directory = path.resolve(given);
  const files = await holdSignals(() =>
    Promise.resolve(writeFiles(host, directory, plan)),
  );
  const { kernelOptions, warnings } = await describeKernelOptions(
    host,
    directory,
  );
  const options = {
    "store-path": flags["store-path"],
    store: flags.store,
  };
  const report = {
    ...{ directory, image, files, kernelOptions },
    storeOptions: Object.entries(options),
    warnings: [...plan.warnings, ...warnings],
    isFound:
      kernelOptions?.endsWith(` toplayer_path=/${USUAL_TOP_LAYER}`) === true,
  };
  stdout(formatInit(report, terminal));
  return 0;
}

/** What it is to be told by, or why nothing can name it. */
async function describeKernelOptions(
  host: Host,
  directory: string,
): Promise<{ kernelOptions?: string; warnings: string[] }> {
  try {
    const options = await nameTopLayer(host, directory);
    return { kernelOptions: formatCmdline(options), warnings: [] };
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    return { warnings: [`${error.message}. ${error.hint ?? ""}`.trim()] };
  }
}

const answerYes: Questions = (work) => work(() => Promise.resolve(true));
