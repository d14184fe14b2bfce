import type { Start } from "./faulty-start.ts";
import type { Injection } from "./kill-plan.ts";
import type { KilledStart } from "./killed-start.ts";
import { findRawControl } from "./raw-controls.ts";
import { wrong, type Problem } from "./tally.ts";

/** What a boot says of one that was interrupted. */
const OF_INTERRUPTION = [
  /^an earlier boot was interrupted: the unfinished root \S+ is deleted$/,
  /^\S+ does not exist, as after an interrupted boot; the newest earlier root is \S+$/,
];

/** What dockroot warned of, but for what takes long on a slow machine. */
export function warningsOf(said: string): string[] {
  return Array.from(
    said.matchAll(/^dockroot: warning: (.*)$/gm),
    ([, warning = ""]) => warning,
  ).filter(
    (warning) => isAboutLock(warning) || !/^still running after /.test(warning),
  );
}

/** That another has a lock shows that it was left over. */
function isAboutLock(warning: string): boolean {
  return /^still running after .*: lock the (?:disk|run directory)/.test(
    warning,
  );
}

/**
 * What is wrong with how the commands of an attacked start ended.
 * @param usual what such a boot warns of without an attack
 */
export function judgeRuns(
  { attack, flow, recovery }: Injection,
  { tries, runs, hit, processes, outlived, hungForS }: KilledStart,
  usual: readonly string[],
): Problem[] {
  const isGentle = attack === "SIGSTOP, then SIGCONT";
  const isHelper = attack === "SIGKILL to a helper";
  // A boot that was killed early is made up for by another.
  const mustSucceed = isGentle || (flow === "early" && !isHelper);
  return wrong([
    ...(hungForS === undefined ? [] : ["the machine did not come to an end"]),
    ...tries
      .filter(({ status }) => mustSucceed && status !== 0)
      .map(({ status, command }) => `${command}: status ${String(status)}`),
    ...runs
      .filter(({ processId }) => isGentle || processId !== hit?.processId)
      .flatMap(({ said }) => judgeWarnings(said, usual)),
    ...runs.flatMap(({ said }) => [
      ...(/^ +at .*:\d+:\d+\)?$/m.test(said) ? ["a stack trace"] : []),
      ...(findRawControl(said) ?? []),
    ]),
    ...outlived.map(
      (helper) => `it was not ended by that, or a helper of it: ${helper}`,
    ),
    ...(recovery === "restart" || processes.length === 0
      ? []
      : [`processes are left over: ${processes.join(" ")}`]),
  ]);
}

/** What is wrong with what a boot said that was not attacked, but may come after one that was. */
export function judgeWarnings(
  said: string,
  usual: readonly string[],
): string[] {
  return warningsOf(said)
    .filter((warning) => !usual.includes(warning))
    .filter((warning) => !OF_INTERRUPTION.some((each) => each.test(warning)))
    .map((warning) => `it warns: ${warning}`);
}

/** What is wrong with what the boot after that said: nothing is to be told any more. */
export function judgeCalm(
  { said }: Start,
  usual: readonly string[],
): Problem[] {
  return wrong(
    warningsOf(said)
      .filter((warning) => !usual.includes(warning))
      .map((warning) => `the next boot warns: ${warning}`),
  );
}
