import path from "node:path";
import { BootError } from "../../runtime/base/errors.ts";
import { escapeControl, formatJson } from "../../runtime/base/escape.ts";
import {
  limitHelpers,
  tieHelpers,
  type Host,
} from "../../runtime/host/host.ts";
import type { CliContext, Confirm } from "../cli/cli-context.ts";
import { withCommandLog } from "../cli/command-log.ts";
import { readStoreChoice } from "../cli/parse.ts";
import { createProgress } from "../cli/progress.ts";
import type { FlagsOf } from "../cli/table.ts";
import { describeChange } from "../diff/formats/format-diff.ts";
import type { ToldChange } from "../diff/formats/group-changes.ts";
import { discard } from "../promote/discard.ts";
import {
  describePromotion,
  dockerfileLines,
  formatPromotion,
} from "../promote/plan/format-promotion.ts";
import { promote } from "../promote/promote.ts";

/** Of a root in which much has changed. */
const HELPER_TIMEOUT_MS = 3_600_000;

/**
 * `dockroot promote PATH...`: the next root has what has changed there.
 * @returns the exit status
 * @throws BootError
 */
export function runPromote(
  flags: FlagsOf<"promote">,
  cli: CliContext,
  operands: readonly string[],
): Promise<number> {
  const { json = false, dockerfile = false, interactive = false } = flags;
  const isDry = flags["dry-run"] === true || dockerfile;
  const logFlags = { "dry-run": isDry, verbose: flags.verbose };
  return withCommandLog("promote", logFlags, cli, async (log) => {
    const host = await reach(cli);
    const { stdout, terminal } = cli;
    const run = (confirm: Confirm | undefined) =>
      promote(
        host,
        {
          store: readStoreChoice(flags),
          paths: operands.map((operand) => path.resolve(operand)),
          toplayer:
            flags.toplayer === undefined
              ? undefined
              : path.resolve(flags.toplayer),
          isDry,
          isForced: flags.force === true,
          choose:
            confirm &&
            ((change) =>
              confirm(`Carry over ${escapeControl(describeChange(change))}?`)),
        },
        progressOf(host, cli),
      );
    const result = await (interactive ? ask(cli, run) : run(undefined));
    log.info({ promoted: result.promoted.length }, "done");
    if (json) stdout(formatJson(describePromotion(result, isDry)));
    else if (dockerfile) {
      for (const line of dockerfileLines(result.packages)) stdout(`${line}\n`);
    } else stdout(formatPromotion(result, isDry, terminal.style));
    return 0;
  });
}

/**
 * `dockroot discard PATH...`: what has changed there becomes what it was.
 * @returns the exit status: 1 where that was not confirmed
 * @throws BootError
 */
export function runDiscard(
  flags: FlagsOf<"discard">,
  cli: CliContext,
  operands: readonly string[],
): Promise<number> {
  const isDry = flags["dry-run"] === true;
  const logFlags = { "dry-run": isDry, verbose: flags.verbose };
  return withCommandLog("discard", logFlags, cli, async (log) => {
    const host = await reach(cli);
    const { stdout } = cli;
    const tell = (changes: readonly ToldChange[]) => {
      for (const change of changes) {
        stdout(`${escapeControl(describeChange(change))}\n`);
      }
    };
    const answer = { isRefused: false };
    const run = (confirm: Confirm | undefined) =>
      discard(
        host,
        {
          ...{ store: readStoreChoice(flags), isDry },
          paths: operands.map((operand) => path.resolve(operand)),
          confirm: async (changes) => {
            tell(changes);
            const isMeant =
              confirm === undefined || (await confirm("Undo all of this?"));
            answer.isRefused = !isMeant;
            return isMeant;
          },
        },
        progressOf(host, cli),
      );
    const changes = await (flags.yes === true || isDry
      ? run(undefined)
      : ask(cli, run));
    if (answer.isRefused) return 1;
    log.info({ discarded: changes.length }, "done");
    if (isDry) tell(changes);
    stdout(
      changes.length === 0
        ? "Nothing has changed there.\n"
        : isDry
          ? "Nothing was changed.\n"
          : "That is as it was when this system booted.\n",
    );
    return 0;
  });
}

/** What is copied must not go on when this has been killed. */
async function reach({ host }: CliContext): Promise<Host> {
  return tieHelpers(limitHelpers(host, HELPER_TIMEOUT_MS));
}

/** @throws BootError where there is nobody to ask */
function ask<T>(
  { questions }: CliContext,
  work: (confirm: Confirm) => Promise<T>,
): Promise<T> {
  if (questions !== undefined) return questions(work);
  throw new BootError("INTERRUPTED", "there is no terminal to ask on", {
    hint: "Nothing was changed. Run it on a terminal, or see --help for how to go without questions.",
  });
}

function progressOf(host: Host, { stderr, terminal }: CliContext) {
  return terminal.columns === undefined
    ? <T>(_: string, work: () => Promise<T>) => work()
    : createProgress(stderr, terminal, () => host.nowMs());
}
