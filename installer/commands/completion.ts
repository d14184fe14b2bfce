import type { CliContext } from "../cli/cli-context.ts";
import type { FlagsOf } from "../cli/table.ts";
import { readGenerated } from "../system/read-asset.ts";

/**
 * `dockroot completion`: a shell's script that completes dockroot's command line (build/pages). It has
 * all that it proposes in it: to start an executable of 110 MB for each press of a key would be felt.
 * @returns the exit status
 * @throws BootError
 */
export function runCompletion(
  _flags: FlagsOf<"completion">,
  { stdout }: CliContext,
  [shell = ""]: readonly string[],
): Promise<number> {
  stdout(readGenerated(`completion.${shell}`));
  return Promise.resolve(0);
}
