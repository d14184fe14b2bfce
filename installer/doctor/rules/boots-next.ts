import { lastValues, parseCmdline } from "../../../runtime/options/cmdline.ts";
import { nameDeployment } from "../../deploy/plan/deployments.ts";
import type { DoctorFacts, StartFacts } from "./facts.ts";
import type { Finding } from "./finding.ts";

type Start = Pick<StartFacts, "deployments" | "entries" | "sources" | "former">;

/**
 * Whether the next boot may be one of this deployment: by the boot loader's menu, or, where that is not seen, by what is
 * recorded.
 */
export function isBootedNext(
  { deployments: known }: Pick<Start, "deployments">,
  { bootsNext }: Pick<DoctorFacts, "bootsNext">,
  n: number,
): boolean {
  if (known?.kind !== "read") return true;
  return bootsNext?.kind === "read" && bootsNext.rwlayer === known.rwlayer
    ? [bootsNext.once?.n, bootsNext.next].includes(n)
    : known.next === n;
}

/** The same of a boot that may be that of several entries. */
export function mayBootNext(
  start: Start,
  facts: Pick<DoctorFacts, "bootsNext">,
): boolean {
  const { entries } = start;
  return (
    entries.length === 0 ||
    entries.some(
      ({ deployed }) =>
        deployed === undefined || isBootedNext(start, facts, deployed.n),
    )
  );
}

/** What would keep a deployment from booting stops no boot where another one is next. */
export function soften(found: Finding, isNext: boolean): Finding {
  const isSevere = ["stops", "falls-back"].includes(found.severity);
  return isNext || !isSevere ? found : { ...found, severity: "warning" };
}

/** What boots where no new root is made: an earlier root, or in a candidate's place a deployment that is good. */
export function findSubstitute(start: Start): string | undefined {
  const { deployments: known, entries, sources, former } = start;
  if (former !== undefined || known?.kind !== "read") return former;
  const mayNot = sources.some(
    ({ cmdline }) =>
      lastValues(parseCmdline(cmdline)).get("dockroot.fallback") === "none",
  );
  const asked = entries.map(({ deployed }) => deployed?.deployment);
  const isCandidate = asked.every((each) => each?.state === "candidate");
  if (mayNot || asked.length === 0 || !isCandidate) return undefined;
  const { deployments } = known;
  const good = deployments.filter(
    ({ isKept, state }) => isKept && state === "good",
  );
  return good[0] && nameDeployment(good[0]);
}
