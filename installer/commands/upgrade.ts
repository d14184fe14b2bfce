import { UsageError } from "../../runtime/base/errors.ts";
import { formatJson } from "../../runtime/base/escape.ts";
import { limitHelpers, type Host } from "../../runtime/host/host.ts";
import type { CliContext } from "../cli/cli-context.ts";
import { withCommandLog } from "../cli/command-log.ts";
import { readStoreChoice } from "../cli/parse.ts";
import { createProgress } from "../cli/progress.ts";
import type { FlagsOf } from "../cli/table.ts";
import { DEFAULT_TRIES } from "../deploy/plan/deployments.ts";
import {
  describeUpgrade,
  formatUpgrade,
} from "../deploy/plan/format-upgrade.ts";
import { upgrade } from "../deploy/upgrade.ts";

/** A pull, or the initramfs of a large image, can take long. */
const HELPER_TIMEOUT_MS = 3_600_000;

const EXIT_NEW = 3;

/**
 * `dockroot upgrade [REF]`: the next boot runs the newest image.
 * @returns the exit status
 * @throws BootError
 */
export function runUpgrade(
  flags: FlagsOf<"upgrade">,
  cli: CliContext,
  [reference]: readonly string[],
): Promise<number> {
  return run("upgrade", flags, cli, reference);
}

/** `dockroot switch REF`: so do the boots after it. @returns the exit status @throws BootError */
export function runSwitch(
  flags: FlagsOf<"switch">,
  cli: CliContext,
  [reference]: readonly string[],
): Promise<number> {
  return run("switch", { ...flags, check: false }, cli, reference);
}

function run(
  command: "upgrade" | "switch",
  flags: FlagsOf<"upgrade">,
  cli: CliContext,
  reference: string | undefined,
): Promise<number> {
  const { json = false, check = false, kernel, initramfs, loader } = flags;
  const isDry = (flags["dry-run"] ?? false) || check;
  const logFlags = { "dry-run": isDry, verbose: flags.verbose };
  return withCommandLog(command, logFlags, cli, async (log) => {
    const { stdout, stderr, terminal } = cli;
    const host = limitHelpers(cli.host, HELPER_TIMEOUT_MS);
    const say = json ? stderr : stdout;
    const result = await upgrade(
      host,
      {
        ...{ reference, kernel, initramfs, loader, isDry },
        isSwitch: command === "switch",
        tries: parseTries(flags.tries),
        pull: flags.pull ?? "auto",
        store: readStoreChoice(flags),
      },
      {
        progress: createProgress(say, terminal, () => host.nowMs()),
        tell: (line) => say(`${line}\n`),
      },
    );
    log.info({ kind: result.kind, to: result.to.n }, "done");
    stdout(
      json
        ? formatJson(describeUpgrade(result))
        : formatUpgrade(result, terminal),
    );
    if (command === "switch" && !isDry) {
      say(`This machine follows ${String(reference)} from now on.\n`);
    }
    if (check) {
      const isNew = result.kind !== "unchanged" || result.offered !== null;
      return isNew ? EXIT_NEW : 0;
    }
    if (flags.reboot === true && result.kind === "upgraded") {
      await restart(host);
    }
    return 0;
  });
}

/** @throws UsageError */
function parseTries(text: string | undefined): number {
  if (text === undefined) return DEFAULT_TRIES;
  if (/^\d$/.test(text)) return Number(text);
  throw new UsageError(`--tries ${text}: it is a number, 0 to 9`);
}

async function restart(host: Host): Promise<void> {
  await host.run(["systemctl", "reboot"]);
}
