import { uncheckedOf } from "../../install/plan/helper-version.ts";
import type { DoctorFacts } from "./facts.ts";
import { ok, stops, unknown, warning, type Finding } from "./finding.ts";

/** The programs that dockroot calls. A machine that boots no image yet need not have all of them. */
export function checkHelpers({
  helpers,
  place,
  starts,
}: DoctorFacts): Finding[] {
  const isImage =
    place.kind === "elsewhere" || starts.some((start) => start.isThisStart);
  const tell = isImage ? stops : warning;
  const problems = helpers.flatMap(({ problem, remedy }) =>
    problem === undefined
      ? []
      : [tell("helpers", problem, remedy ?? "Install it.")],
  );
  const unchecked = uncheckedOf(helpers);
  if (unchecked.length > 0) {
    problems.push(
      unknown(
        "helpers",
        `not checked, since no program of that system is run: the versions of ${unchecked.join(", ")}`,
      ),
    );
  }
  if (problems.length > 0 || helpers.length === 0) return problems;
  const names = helpers.map(({ name, version = "" }) => `${name} ${version}`);
  return [ok("helpers", names.join(", "))];
}
