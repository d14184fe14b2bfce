import { UsageError } from "../../runtime/base/errors.ts";
import { formatJson } from "../../runtime/base/escape.ts";
import { limitHelpers } from "../../runtime/host/host.ts";
import type { Deployments } from "../../runtime/records/deployments.ts";
import type { CliContext } from "../cli/cli-context.ts";
import { withCommandLog } from "../cli/command-log.ts";
import { createProgress } from "../cli/progress.ts";
import { readStoreChoice } from "../cli/parse.ts";
import type { FlagsOf } from "../cli/table.ts";
import {
  changeDeployments,
  chooseRollback,
  collect,
  lookAtNext,
  pin,
  removeOne,
  requireDeployment,
  type ChangeRequest,
} from "../deploy/change-deployments.ts";
import type { DeployDisk } from "../deploy/deploy-disk.ts";
import { bootNext } from "../deploy/plan/deployments.ts";
import {
  describeDeployments,
  formatChange,
  formatDeployments,
} from "../deploy/plan/format-deployments.ts";

/** Deleting a subvolume, and waiting for its space, can take long. */
const HELPER_TIMEOUT_MS = 300_000;

/**
 * `dockroot deployments`: what this machine can boot.
 * @returns the exit status
 * @throws BootError
 */
export async function runDeployments(
  { json, ...flags }: FlagsOf<"deployments">,
  { host: unlimited, stdout, terminal }: CliContext,
): Promise<number> {
  const host = limitHelpers(unlimited, HELPER_TIMEOUT_MS);
  const { before, running, ...seen } = await lookAtNext(
    host,
    readStoreChoice(flags),
  );
  stdout(
    json
      ? formatJson(describeDeployments(before, running, seen.once))
      : formatDeployments(before, running, seen, terminal.columns),
  );
  return 0;
}

/** `dockroot rollback [N] [--once]` @returns the exit status @throws BootError, UsageError */
export function runRollback(
  { once = false, ...flags }: FlagsOf<"rollback">,
  cli: CliContext,
  [text]: readonly string[],
): Promise<number> {
  const n = text === undefined ? undefined : parseNumber(text);
  const choose = (state: Deployments, { running }: DeployDisk) =>
    n === undefined
      ? chooseRollback(state, running)
      : requireDeployment(state, n);
  return once
    ? change("rollback", flags, cli, (state) => state, choose)
    : change(
        ...(["rollback", flags, cli] as const),
        (state, deploy) =>
          bootNext(state, choose(state, deploy), deploy.running),
        () => undefined,
      );
}

/** `dockroot pin N` @returns the exit status @throws BootError, UsageError */
export function runPin(
  { off = false, ...flags }: FlagsOf<"pin">,
  cli: CliContext,
  [text = ""]: readonly string[],
): Promise<number> {
  const n = parseNumber(text);
  return change("pin", flags, cli, (state) => pin(state, n, !off));
}

/** `dockroot remove N` @returns the exit status @throws BootError, UsageError */
export function runRemove(
  flags: FlagsOf<"remove">,
  cli: CliContext,
  [text = ""]: readonly string[],
): Promise<number> {
  const n = parseNumber(text);
  return change("remove", flags, cli, (state, { running }) =>
    removeOne(state, n, running),
  );
}

/** `dockroot gc` @returns the exit status @throws BootError */
export function runGc(flags: FlagsOf<"gc">, cli: CliContext): Promise<number> {
  return change("gc", flags, cli, (state, { running }) =>
    collect(state, running),
  );
}

type ChangeFlags = FlagsOf<"gc">;

type ChooseOnce = NonNullable<ChangeRequest["chooseOnce"]>;

function change(
  command: "rollback" | "pin" | "remove" | "gc",
  { json, "dry-run": isDry = false, verbose, ...flags }: ChangeFlags,
  cli: CliContext,
  decide: (state: Deployments, deploy: DeployDisk) => Deployments,
  chooseOnce?: ChooseOnce,
): Promise<number> {
  const logFlags = { "dry-run": isDry, verbose };
  return withCommandLog(command, logFlags, cli, async (log) => {
    const { stdout, stderr, terminal } = cli;
    const host = limitHelpers(cli.host, HELPER_TIMEOUT_MS);
    const say = json ? stderr : stdout;
    const change = await changeDeployments(host, {
      ...{ isDry, decide, chooseOnce, store: readStoreChoice(flags) },
      warnsOfUnclaimed: command === "gc",
      progress: createProgress(say, terminal, () => host.nowMs()),
    });
    const { after, running, once } = change;
    log.info({ next: after.next, once: once.after }, "changed");
    stdout(
      json
        ? formatJson(describeDeployments(after, running, once.after))
        : formatChange(change, isDry),
    );
    return 0;
  });
}

/** @throws UsageError */
function parseNumber(text: string): number {
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text);
  throw new UsageError(`${text} is not the number of a deployment`);
}
