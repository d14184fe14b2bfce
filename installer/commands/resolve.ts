import { formatJson } from "../../runtime/base/escape.ts";
import { readStoreChoice } from "../cli/parse.ts";
import type { FlagsOf } from "../cli/table.ts";
import type { CliContext } from "../cli/cli-context.ts";
import { formatResolved, resolveImage } from "../system/resolve-image.ts";

/**
 * `dockroot resolve`: what the image store has under a reference, no engine running.
 * @returns the exit status
 * @throws BootError
 */
export function runResolve(
  { json, ...flags }: FlagsOf<"resolve">,
  { host, terminal, stdout }: CliContext,
  [reference = ""]: readonly string[],
): Promise<number> {
  const resolved = resolveImage(host, readStoreChoice(flags), reference);
  stdout(json ? formatJson(resolved) : formatResolved(resolved, terminal));
  return Promise.resolve(0);
}
