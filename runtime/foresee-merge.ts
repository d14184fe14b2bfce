import path from "node:path";
import type { Host } from "./host/host.ts";
import type { Step } from "./steps.ts";
import { readBaseTree } from "./toplayer/base-tree.ts";
import type { ListedLayer } from "./toplayer/layer.ts";
import type { MergePlan } from "./toplayer/merge-plan.ts";
import { planMerge } from "./toplayer/plan-merge.ts";

/**
 * Plans how a top layer is laid over the new root by what that is to be a snapshot of: it need not be
 * there yet.
 * @param steps that make the root, with a snapshot among them
 * @throws BootError TOPLAYER_UNSUITABLE
 */
export function foreseeMerge(
  host: Host,
  topLevel: string,
  layers: readonly ListedLayer[],
  steps: readonly Step[],
): MergePlan {
  const snapshot = steps.find((step) => step.kind === "snapshot");
  if (snapshot === undefined) throw new Error("the plan makes no root");
  const removal = steps.find((step) => step.kind === "removeLeftOvers");
  const from = path.join(topLevel, snapshot.from);
  return planMerge(layers, readBaseTree(host, from, removal?.files));
}
