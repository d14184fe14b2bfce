import type { BootFacts } from "./facts.ts";
import path from "node:path";
import { escapeControl, formatJson } from "../base/escape.ts";
import { formatImageReference } from "../images/image-ref.ts";
import type { MergeCounts } from "../tree/merge-plan.ts";
import { findMerge, listWarnings, type BootPlan } from "./plan.ts";
import { describeStep } from "./steps.ts";

/** What would be done, for `--dry-run`. */
export type PlannedBoot =
  | {
      readonly kind: "root";
      readonly facts: BootFacts;
      readonly plan: BootPlan;
    }
  /** The earlier root at this path is booted as it is. */
  | { readonly kind: "generation"; readonly generation: string };

/** The plan for people. */
export function formatPlan(planned: PlannedBoot): string {
  if (planned.kind === "generation") {
    return line(`root       ${planned.generation}, an earlier root, unchanged`);
  }
  const { facts, plan } = planned;
  const { image, paths, topLayer } = facts;
  const merge = findMerge(plan.steps);
  const lines = [
    `image      ${formatImageReference(facts.reference, image)} (${image.id})`,
    `source     ${image.source}`,
    `rwlayer    ${paths.rwlayer}, ${describeRwlayer(plan)}`,
    `top layer  ${topLayer?.record.name ?? "none"}`,
    ...(merge === undefined
      ? []
      : [`merge      ${formatCounts(merge.counts)}`]),
    ...listWarnings(plan).map((warning) => `warning: ${warning}`),
    "steps:",
    ...plan.steps.map(
      (step, index) => `  ${String(index + 1)}. ${describeStep(step)}`,
    ),
  ];
  return lines.map(line).join("");
}

/** The plan for programs, version 1. */
export function formatPlanAsJson(planned: PlannedBoot): string {
  const described =
    planned.kind === "generation"
      ? { version: 1, result: "generation", root: planned.generation }
      : describeRootPlan(planned.facts, planned.plan);
  return formatJson(described);
}

/** The plan of a root as `formatPlanAsJson` prints it. */
export function describeRootPlan(facts: BootFacts, plan: BootPlan) {
  const { image, paths, topLayer } = facts;
  return {
    version: 1 as const,
    result: plan.result,
    image: {
      reference: formatImageReference(facts.reference, image),
      id: image.id,
      layers: image.diffIds.length,
    },
    source: image.source,
    root: paths.rwlayer,
    rwlayer: paths.rwlayer,
    toplayer: topLayer?.record ?? null,
    warnings: listWarnings(plan),
    steps: plan.steps.map((step) => ({
      ...(step.kind === "copyTopLayer"
        ? {
            ...step,
            from: topLayer?.layers.map(({ at }) => at),
            merge: step.merge.counts,
          }
        : step),
      description: describeStep(step),
    })),
  };
}

function describeRwlayer({ result, steps }: BootPlan): string {
  const isSwapped = steps.some(({ kind }) => kind === "putInPlace");
  if (!isSwapped) return "kept as it is";
  const how =
    result === "kept" ? "kept, with the top layer copied again" : "made anew";
  const former = steps.find((step) => step.kind === "keepAsGeneration");
  return former === undefined
    ? how
    : `${how}; the present one becomes generation ${path.basename(former.to)}`;
}

function formatCounts(counts: MergeCounts): string {
  return Object.entries(counts)
    .map(([what, count]) => `${what} ${String(count)}`)
    .join(", ");
}

function line(text: string): string {
  return `${escapeControl(text)}\n`;
}
