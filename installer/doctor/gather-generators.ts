import type { Host } from "../../runtime/host/host.ts";
import type { GeneratorFacts } from "./rules/facts.ts";
import type { Generator, FileEdit } from "../generators/generator.ts";
import { BootError, HelperError } from "../../runtime/base/errors.ts";
import { NotRunError } from "../system/tree-host.ts";
import { enableHook } from "../generators/mkinitcpio/enable-hook.ts";

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

/**
 * What is wrong with a generator's configuration, such as mkinitcpio's HOOKS: what `dockroot install`
 * would change, or why it would not.
 * @param host has its root at the system
 * @param isHere whether that is the system here: of another one nothing may run
 */
export async function hooksProblem(
  host: Host,
  generator: Generator,
  isHere: boolean,
): Promise<string | undefined> {
  try {
    if (isHere) return describeEdits(await generator.enable(host));
    return readProblem(host, generator);
  } catch (error) {
    if (error instanceof NotRunError) return readProblem(host, generator);
    if (error instanceof BootError || error instanceof HelperError) {
      return error.message;
    }
    throw error;
  }
}

function readProblem(host: Host, generator: Generator): string | undefined {
  return generator.name === "mkinitcpio"
    ? describeEdits(enableHook([readMkinitcpio(host)]))
    : undefined;
}

const MKINITCPIO = "/etc/mkinitcpio.conf";

const DROP_INS = `${MKINITCPIO}.d`;

const MAX_BYTES = 1024 * 1024;

/** What mkinitcpio reads where no preset names a file of its own. @throws BootError */
function readMkinitcpio(host: Host) {
  const names = host.files
    .namesIn(host.path(DROP_INS))
    .filter((name) => name.endsWith(".conf"));
  return [MKINITCPIO, ...names.map((name) => `${DROP_INS}/${name}`)].flatMap(
    (path) => {
      const text = host.readText(path, MAX_BYTES);
      return text === undefined ? [] : [{ path, text }];
    },
  );
}

function describeEdits(
  edits: readonly Pick<FileEdit, "path" | "what">[],
): string | undefined {
  return edits.length === 0
    ? undefined
    : edits.map(({ path, what }) => `${path} needs ${what}`).join("; ");
}
