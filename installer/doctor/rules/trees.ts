import type { DoctorFacts, TreeFacts } from "./facts.ts";

/** The trees that become root, each once. */
export function treesOf({ starts, target }: DoctorFacts): TreeFacts[] {
  const trees = new Map<string, TreeFacts>();
  for (const { outcome } of starts) {
    if (outcome.kind === "planned")
      trees.set(JSON.stringify(outcome.tree), outcome.tree);
  }
  const found = target?.found;
  if (found?.kind === "image" || found?.kind === "itself") {
    trees.set(JSON.stringify(found.tree), found.tree);
  }
  return [...trees.values()];
}
