import { styleText } from "node:util";
import type { MachineReport } from "../fixtures/machine-report.ts";

export interface Proof {
  readonly of: string;
  readonly isProved: boolean;
  /** What was seen, and where it is not as expected, what was expected. */
  readonly seen: string;
}

/** @param imageId demo:latest's, as docker says it */
export function judge(report: MachineReport, imageId: string): Proof[] {
  const { boot } = report;
  const [root] = report.root.filesystems;
  const [store] = report.store.filesystems;
  return [
    {
      of: "image",
      isProved: boot.result === "fresh" && boot.image.id === imageId,
      seen: `${boot.image.reference} is ${boot.image.id}; docker says ${imageId}`,
    },
    {
      of: "root",
      isProved:
        boot.rwlayer === "docker_rwlayer" &&
        root?.fsroot === "/docker_rwlayer" &&
        boot.subvolumeUuid === report.rootUuid,
      seen: `/ is the subvolume ${String(root?.fsroot)}, UUID ${report.rootUuid}; dockroot made ${boot.rwlayer}, UUID ${boot.subvolumeUuid}, from ${boot.source}`,
    },
    {
      of: "top layer",
      isProved: boot.toplayer !== null && report.hostname === "demo-pc",
      seen: `${String(boot.toplayer?.files ?? 0)} files copied; /etc/hostname, one of them, makes this machine ${report.hostname}`,
    },
    {
      of: "image store",
      isProved: store?.fsroot === "/docker",
      seen: `/var/lib/docker is the subvolume ${String(store?.fsroot)}`,
    },
    {
      of: "systemd",
      isProved: report.systemd === "running",
      seen: [report.systemd, report.failedUnits].join(" ").trim(),
    },
  ];
}

export function formatSummary(
  proofs: readonly Proof[],
  { boot }: MachineReport,
  stream: NodeJS.WriteStream,
): string {
  const lines = proofs.map(({ of, isProved, seen }) => {
    const mark = isProved
      ? styleText("green", "proved", { stream })
      : styleText("red", "NOT PROVED", { stream });
    return `  ${mark}  ${of.padEnd(12)} ${seen}`;
  });
  const steps = [
    ...boot.steps,
    { step: "all of it", durationMs: boot.totalMs },
  ];
  const times = steps.map(
    ({ step, durationMs }) =>
      `  ${durationMs.toFixed(1).padStart(8)} ms  ${step}`,
  );
  return [
    ...lines,
    ...boot.warnings.map((warning) => `  warning      ${warning}`),
    "",
    "What dockroot did, and how long it took in this emulated machine:",
    ...times,
    "",
  ].join("\n");
}
