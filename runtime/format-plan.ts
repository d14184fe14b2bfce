import { escapeControl, formatJson } from "./host/escape.ts";
import { formatImageReference } from "./image-ref.ts";
import type { BootFacts } from "./plan.ts";
import { describeStep, type Step } from "./steps.ts";

/** What would be done, for `--dry-run`. */
export interface BootPlan {
  readonly facts: BootFacts;
  readonly steps: readonly Step[];
}

/** The plan for people. */
export function formatPlan({ facts, steps }: BootPlan): string {
  const { image, paths, topLayer } = facts;
  const lines = [
    `image      ${formatImageReference(facts.reference)} (${image.id})`,
    `source     ${image.source}`,
    `rwlayer    ${paths.rwlayer}`,
    `top layer  ${topLayer?.name ?? "none"}`,
    "steps:",
    ...steps.map(
      (step, index) => `  ${String(index + 1)}. ${describeStep(step)}`,
    ),
  ];
  return `${lines.map(escapeControl).join("\n")}\n`;
}

/** The plan for programs, version 1. */
export function formatPlanAsJson({ facts, steps }: BootPlan): string {
  const plan = {
    version: 1,
    image: {
      reference: formatImageReference(facts.reference),
      id: facts.image.id,
      layers: facts.image.layerCount,
    },
    source: facts.image.source,
    rwlayer: facts.paths.rwlayer,
    toplayer: facts.topLayer?.name ?? null,
    steps: steps.map((step) => ({ ...step, description: describeStep(step) })),
  };
  return `${formatJson(plan)}\n`;
}
