import { executeSteps } from "./execute.ts";
import type { BootFacts } from "./facts.ts";
import type { BootContext } from "./boot-context.ts";
import { foreseeMerge } from "./foresee-merge.ts";
import { BootError } from "./host/errors.ts";
import { findOtherMount } from "./mounts.ts";
import { planBoot } from "./plan.ts";
import type { RwlayerPaths, SubvolumeRecord } from "./rwlayer-state.ts";
import type { MergePlan } from "./toplayer/merge-plan.ts";

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
  { host, recorder, topLevel, mergeMount }: BootContext,
  facts: BootFacts,
): Promise<MadeRoot> {
  const plan = planBoot(facts);
  for (const warning of plan.warnings) recorder.warn(warning);
  const { topLayer } = facts;
  let merge: MergePlan | undefined;
  const made = await executeSteps(plan.steps, {
    host,
    recorder,
    topLevel,
    paths: facts.paths,
    state: facts.state,
    ...(topLayer !== undefined && {
      topLayer: {
        plan: () =>
          (merge ??= foreseeMerge(host, topLevel, topLayer.layers, plan.steps)),
        scratch: mergeMount,
      },
    }),
  });
  const present =
    facts.rwlayer.kind === "subvolume" ? facts.rwlayer.record : undefined;
  const record = made ?? present;
  if (record === undefined) throw new Error("the plan made no root");
  return { result: plan.result, record };
}

/**
 * The root of a running system must not be replaced under it, nor must another system's.
 * @throws BootError RWLAYER_IN_USE
 */
export function refuseInUse(
  { host, topLevel }: BootContext,
  paths: RwlayerPaths,
): void {
  for (const [what, file] of [
    ["rwlayer", paths.rwlayer],
    ["next rwlayer", paths.staging],
  ] as const) {
    const mountPoint = findOtherMount(host, topLevel, file);
    if (mountPoint === undefined) continue;
    throw new BootError(
      "RWLAYER_IN_USE",
      `the ${what} ${file} is in use: it is mounted at ${mountPoint}`,
      {
        hint: "To see what the next start would do: dockroot boot --dry-run.",
      },
    );
  }
}
