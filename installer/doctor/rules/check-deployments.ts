import { nameDeployment } from "../../deploy/plan/deployments.ts";
import type { DoctorFacts, StartFacts } from "./facts.ts";
import { ok, unknown, warning, type Finding } from "./finding.ts";

/** Which deployments there are, and whether they have what they need. */
export function* checkDeployments(
  { deployments: known }: StartFacts,
  { starts }: DoctorFacts,
): Iterable<Finding> {
  if (known === undefined) return;
  if (known.kind === "damaged") {
    const { message, causes, hint } = known.failure;
    yield warning(
      "deployments",
      [message, ...causes].join(": "),
      hint ?? "Correct what the message names.",
    );
    return;
  }
  const { deployments, running, next } = known;
  const entries = starts.flatMap((start) => start.entries);
  for (const deployment of deployments) {
    const { n, isKept, image, options } = deployment;
    const name = nameDeployment(deployment);
    const what = [
      ...(n === running ? ["runs"] : []),
      ...(n === next ? ["boots next"] : []),
    ];
    if (what.length > 0)
      yield ok("deployments", `${name} ${what.join(", and ")}`);
    if (!isKept) {
      yield warning(
        "deployments",
        `${name}: its image ${image.id} is kept no longer`,
        `Run dockroot gc: it keeps it again where the image store has it. Else run dockroot upgrade, and dockroot remove ${String(n)}.`,
      );
    }
    // Its options name its rwlayer, and it.
    if (
      !entries.some(({ deployed: own }) => own?.deployment?.options === options)
    ) {
      yield unknown(
        "deployments",
        `${name} is in no boot menu that is mounted`,
        "Mount the partition with the boot menu, and run dockroot doctor again; dockroot gc writes the menu again.",
      );
    }
  }
}
