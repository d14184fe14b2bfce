import { BootError } from "../../../../runtime/host/errors.ts";
import type { Host } from "../../../../runtime/host/host.ts";
import type { AskedGenerator } from "../generators.ts";

/**
 * What is wrong with a generator's configuration, such as mkinitcpio's HOOKS: what `dockroot install`
 * would change, or why it would not.
 */
export async function hooksProblem(
  host: Host,
  generator: AskedGenerator,
): Promise<string | undefined> {
  try {
    const edits = await generator.enable(host);
    if (edits.length === 0) return undefined;
    return edits.map(({ path, what }) => `${path} lacks: ${what}`).join("; ");
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    return error.message;
  }
}
