import type { DoctorFacts } from "../facts.ts";
import { ok, stops, type Finding } from "../finding.ts";

/** The programs that dockroot calls. */
export function checkHelpers({ helpers }: DoctorFacts): Finding[] {
  const problems = helpers.flatMap(({ problem, remedy }) =>
    problem === undefined
      ? []
      : [stops("helpers", problem, remedy ?? "Install it.")],
  );
  if (problems.length > 0 || helpers.length === 0) return problems;
  const names = helpers.map(({ name, version = "" }) => `${name} ${version}`);
  return [ok("helpers", names.join(", "))];
}
