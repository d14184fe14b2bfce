import { UsageError } from "../../runtime/base/errors.ts";
import { limitHelpers, type Host } from "../../runtime/host/host.ts";
import { createLog } from "../../runtime/host/log.ts";
import { lookAtRoot } from "../system/look-at-root.ts";
import { generators } from "../generators/choose-generator.ts";
import { imageFlags } from "../cli/image-flags.ts";
import type { CliContext } from "../cli/cli-context.ts";
import { gatherDoctorFacts } from "../doctor/gather-doctor-facts.ts";
import {
  formatReport,
  formatReportAsJson,
} from "../doctor/rules/format-report.ts";
import { describeReport } from "../doctor/rules/report.ts";
import { holdSignals } from "../system/hold-signals.ts";
import { requireRoot } from "../cli/require-root.ts";

export const doctorFlags = {
  image: imageFlags.image,
  root: {
    type: "string",
    placeholder: "DIR",
    describe: "look at the system in DIR instead of this one",
  },
  json: {
    type: "boolean",
    describe: "print all of it as JSON",
  },
} as const;

export interface DoctorFlags {
  readonly image?: string | undefined;
  readonly root?: string | undefined;
  readonly json?: boolean | undefined;
}

/** Everything is there already: what takes longer hangs. */
const HELPER_TIMEOUT_MS = 60_000;

/**
 * `dockroot doctor`: all that would stop a boot, each with what to do. Changes nothing.
 * @returns the exit status: 1 where something would stop a boot
 * @throws BootError, UsageError
 */
export async function runDoctor(
  { image, root, json }: DoctorFlags,
  cli: CliContext,
): Promise<number> {
  const { host: unlimited, isRoot, terminal, stdout } = cli;
  if (image === "") throw new UsageError("--image names no image");
  requireRoot(isRoot, "doctor");
  const host = silence(
    root === undefined
      ? limitHelpers(unlimited, HELPER_TIMEOUT_MS)
      : lookAtRoot(unlimited, root),
  );
  const facts = await holdSignals(() =>
    gatherDoctorFacts(host, Object.values(generators), image),
  );
  const report = describeReport(facts);
  stdout(
    json === true ? formatReportAsJson(report) : formatReport(report, terminal),
  );
  return report.findings.some(({ severity }) => severity === "stops") ? 1 : 0;
}

/** The same machine, where the steps of a start are not told: the report tells what there is. */
function silence(host: Host): Host {
  return { ...host, log: createLog([]) };
}
