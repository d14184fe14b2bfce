import { BootError, HelperError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { FileEdit, Generator } from "../generators/generator.ts";
import { enableHook } from "../generators/mkinitcpio/edit-hooks.ts";
import { readMainConfiguration } from "../generators/mkinitcpio/configurations.ts";
import { hasFile } from "../system/has-file.ts";
import { NotRunError } from "../system/tree-host.ts";
import type { GeneratorFacts } from "./rules/facts.ts";

/** The generators that a system has, and whether dockroot is in what they make. */
export function gatherGenerators(
  host: Host,
  generators: readonly Generator[],
): Promise<GeneratorFacts[]> {
  return Promise.all(
    generators
      .filter((generator) => generator.isPresent(host))
      .map(async (generator) => {
        const missing = generator.files
          .map(({ path }) => path)
          .filter((file) => !hasFile(host, file));
        return {
          name: generator.name,
          missing,
          problem:
            missing.length > 0
              ? undefined
              : await hooksProblem(host, generator),
        };
      }),
  );
}

/**
 * What is wrong with a generator's configuration, such as mkinitcpio's HOOKS: what `dockroot install`
 * would change, or why it would not.
 */
export async function hooksProblem(
  host: Host,
  generator: Generator,
): Promise<string | undefined> {
  try {
    const edits = await enable(host, generator);
    return edits.length === 0
      ? undefined
      : edits.map(({ path, what }) => `${path} needs ${what}`).join("; ");
  } catch (error) {
    if (error instanceof BootError || error instanceof HelperError) {
      return error.message;
    }
    throw error;
  }
}

/** Where nothing may run, of mkinitcpio the configuration that presets use alone tells most. */
async function enable(
  host: Host,
  generator: Generator,
): Promise<readonly Pick<FileEdit, "path" | "what">[]> {
  try {
    return await generator.enable(host);
  } catch (error) {
    if (!(error instanceof NotRunError) || generator.name !== "mkinitcpio") {
      throw error;
    }
    return enableHook([readMainConfiguration(host)]);
  }
}
