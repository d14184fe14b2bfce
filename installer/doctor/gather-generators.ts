import type { Host } from "../../runtime/host/host.ts";
import type { GeneratorFacts } from "./rules/facts.ts";
import type { Generator } from "../generators/generator.ts";
import { hooksProblem } from "./hooks-problem.ts";

/**
 * The generators that a system has, and whether dockroot is in what they make.
 * @param host has its root at the system
 * @param isHere whether that is the system here
 */
export function gatherGenerators(
  host: Host,
  generators: readonly Generator[],
  isHere: boolean,
): Promise<GeneratorFacts[]> {
  return Promise.all(
    generators
      .filter((generator) => generator.isPresent(host))
      .map(async (generator) => {
        const missing = generator.files
          .map(({ path }) => path)
          .filter((file) => {
            const status = host.files.statusOfTarget(host.path(file));
            return status?.kind !== "file";
          });
        return {
          name: generator.name,
          missing,
          problem:
            missing.length > 0
              ? undefined
              : await hooksProblem(host, generator, isHere),
        };
      }),
  );
}
