import { formatJson } from "../../runtime/base/escape.ts";
import { limitHelpers, silence } from "../../runtime/host/host.ts";
import { lookAtRoot } from "../system/tree-host.ts";
import { generators } from "../generators/choose-generator.ts";
import type { CliContext } from "../cli/cli-context.ts";
import { gatherDoctorFacts } from "../doctor/gather-doctor-facts.ts";
import { formatReport } from "../doctor/rules/format-report.ts";
import { describeReport } from "../doctor/rules/report.ts";
import { holdSignals } from "../system/hold-signals.ts";
import type { FlagsOf } from "../cli/table.ts";

/** Everything is there already: what takes longer hangs. */
const HELPER_TIMEOUT_MS = 60_000;

/**
 * `dockroot doctor`: all that would stop a boot, each with what to do. Changes nothing.
 * @returns the exit status: 1 where something would stop a boot, or boot an earlier root
 * @throws BootError, UsageError
 */
export async function runDoctor(
  { image, root, json }: FlagsOf<"doctor">,
  { host: unlimited, terminal, stdout }: CliContext,
): Promise<number> {
  const host = silence(
    root === undefined
      ? limitHelpers(unlimited, HELPER_TIMEOUT_MS)
      : lookAtRoot(unlimited, root),
  );
  const facts = await holdSignals(() =>
    gatherDoctorFacts(host, Object.values(generators), image),
  );
  const report = describeReport(facts);
  stdout(json ? formatJson(report) : formatReport(report, terminal));
  const isBad = report.findings.some(({ severity }) =>
    ["stops", "falls-back"].includes(severity),
  );
  return isBad ? 1 : 0;
}
