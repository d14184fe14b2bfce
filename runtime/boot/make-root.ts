import path from "node:path";
import { executeSteps } from "./execute.ts";
import type { BootFacts } from "../plan/facts.ts";
import type { BootContext } from "./boot-context.ts";
import { BootError } from "../base/errors.ts";
import type { Host } from "../host/host.ts";
import { findUseAsRoot } from "../disk/garbage/in-use.ts";
import { findMountOf, readMountsOf } from "../disk/mounts.ts";
import { planBoot } from "../plan/plan.ts";
import type { SubvolumeRecord } from "../records/rwlayer-state.ts";
import type { RwlayerPaths } from "../options/rwlayer-names.ts";

/** The rwlayer that is to be root. */
export interface MadeRoot {
  readonly result: "fresh" | "kept";
  readonly record: SubvolumeRecord;
}

/**
 * Makes a new rwlayer from the image, or finds that the present one is still right.
 * @throws BootError
 */
export async function makeRoot(
  context: BootContext,
  facts: BootFacts,
): Promise<MadeRoot> {
  const { host, recorder, topLevel } = context;
  refuseRunning(host, topLevel, facts);
  const plan = planBoot(facts);
  for (const warning of plan.warnings) recorder.warn(warning);
  const { paths, state } = facts;
  const made = await executeSteps(plan.steps, { ...context, paths, state });
  const present =
    facts.rwlayer.kind === "subvolume" ? facts.rwlayer.record : undefined;
  const record = made ?? present;
  if (record === undefined) throw new Error("the plan made no root");
  return { result: plan.result, record };
}

/**
 * The root of a running system must not be replaced under it, nor must another system's. Asks for what
 * is mounted alone: whether a root is this kernel's is known when the state file is read.
 * @throws BootError RWLAYER_IN_USE
 */
export function refuseMounted(
  { host, topLevel }: BootContext,
  paths: RwlayerPaths,
): void {
  const mounts = readMountsOf(host, topLevel);
  for (const [what, file] of [
    ["rwlayer", paths.rwlayer],
    ["next rwlayer", paths.staging],
  ] as const) {
    const at = findMountOf(mounts, file);
    if (at !== undefined) throw inUse(what, file, `mounted at ${at}`);
  }
}

/** @throws BootError RWLAYER_IN_USE */
function refuseRunning(
  host: Host,
  topLevel: string,
  { paths, rwlayer }: BootFacts,
): void {
  if (rwlayer.kind !== "subvolume") return;
  const tree = path.join(topLevel, paths.rwlayer);
  const use = findUseAsRoot(host, tree, rwlayer.record);
  if (use !== undefined) throw inUse("rwlayer", paths.rwlayer, use);
}

function inUse(what: string, file: string, use: string): BootError {
  return new BootError(
    "RWLAYER_IN_USE",
    `the ${what} ${file} is in use: it is ${use}`,
    {
      hint: "To see what the next start would do: dockroot boot --dry-run.",
    },
  );
}
