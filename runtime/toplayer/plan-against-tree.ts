import path from "node:path";
import type { Host } from "../host/host.ts";
import type { Step } from "../plan/steps.ts";
import { readBaseTree } from "./base-tree.ts";
import type { ListedLayer } from "../tree/layer.ts";
import type { MergePlan } from "../tree/merge-plan.ts";
import { planMerge } from "../tree/plan-merge.ts";

/**
 * Plans how a top layer is laid over the new root by what that is to be a snapshot of: it need not be
 * there yet.
 * @param steps that make the root, with a snapshot among them
 * @throws BootError TOPLAYER_UNSUITABLE
 */
export function planAgainstTree(
  host: Host,
  topLevel: string,
  layers: readonly ListedLayer[],
  steps: readonly Step[],
): MergePlan {
  const snapshot = steps.find((step) => step.kind === "snapshot");
  if (snapshot === undefined) throw new Error("the plan makes no root");
  const base = readBaseTree(host, path.join(topLevel, snapshot.from), {
    removed: steps.find((step) => step.kind === "removeLeftOvers")?.files,
    filled: steps
      .find((step) => step.kind === "fillGaps")
      ?.gaps.map((gap) => gap.path),
    hasNested: steps.some((step) => step.kind === "snapshotNested"),
  });
  const { actions, warnings } = planMerge(layers, base);
  const fills = base.gaps().map((gap) => ({ kind: "fillGap", gap }) as const);
  return { actions: [...fills, ...actions], warnings };
}
