import { styleText } from "node:util";
import type { MachineReport } from "../fixtures/machine-report.ts";

export interface Proof {
  readonly of: string;
  readonly isProved: boolean;
  readonly seen: readonly string[];
}

/**
 * @param reports of three boots: of the first image, of the other one after an upgrade, and after the rollback
 * @param imageIds theirs, as docker says them
 */
export function judge(
  reports: readonly MachineReport[],
  imageIds: readonly string[],
): Proof[] {
  const [first, second, third] = reports;
  if (first === undefined || second === undefined || third === undefined) {
    throw new Error("the machine has not reported three times");
  }
  const [imageId = "", nextId = ""] = imageIds;
  return [
    ...judgeBoot(first, imageId),
    {
      of: "upgrade",
      isProved:
        second.boot.image?.id === nextId &&
        second.boot.kernel !== first.boot.kernel,
      seen: describeMove(first, second),
    },
    {
      of: "rollback",
      isProved:
        third.boot.image?.id === imageId &&
        third.boot.kernel === first.boot.kernel,
      seen: describeMove(second, third),
    },
  ];
}

function describeMove(from: MachineReport, to: MachineReport): string[] {
  const [before, after] = [from, to].map(
    ({ boot }) =>
      `${boot.image?.reference ?? "no image"} with Linux ${boot.kernel}`,
  );
  return [
    `from ${String(before)}`,
    `to ${String(after)}: deployment ${String(to.boot.deployment)}`,
  ];
}

function judgeBoot(report: MachineReport, imageId: string): Proof[] {
  const { boot } = report;
  const [root] = report.root.filesystems;
  const [store] = report.store.filesystems;
  return [
    {
      of: "image",
      isProved: boot.image?.id === imageId,
      seen: [
        `dockroot has booted ${String(boot.image?.id)}`,
        `docker says demo is ${imageId}`,
      ],
    },
    {
      of: "root",
      isProved:
        boot.rwlayer === "docker_rwlayer" &&
        (boot.isOverlay
          ? root?.fstype === "overlay"
          : root?.fsroot === "/docker_rwlayer" &&
            boot.subvolumeUuid === report.rootUuid),
      seen: boot.isOverlay
        ? [
            `dockroot has made /${boot.rwlayer}, of ${String(boot.layers?.length)} layers`,
            `mounted at / is an ${String(root?.fstype)}: ${String(root?.options)}`,
          ]
        : [
            `dockroot has made /${boot.rwlayer}, UUID ${boot.subvolumeUuid}`,
            `mounted at / is ${String(root?.fsroot)}, UUID ${report.rootUuid}`,
            `a snapshot of ${String(boot.source)}`,
          ],
    },
    {
      of: "top layer",
      isProved: boot.toplayer !== null && report.hostname === "demo-pc",
      seen: [
        `${String(boot.toplayer?.files ?? 0)} files; etc/hostname makes this machine ${report.hostname}`,
      ],
    },
    {
      of: "image store",
      isProved: store?.fsroot === "/docker",
      seen: [`${String(store?.fsroot)} is mounted for its engine`],
    },
    {
      of: "systemd",
      isProved: report.systemd === "running",
      seen: [`${report.systemd} ${report.failedUnits}`.trim()],
    },
  ];
}

export function formatSummary(
  proofs: readonly Proof[],
  reports: readonly MachineReport[],
  stream: NodeJS.WriteStream,
): string {
  const results = proofs.map(({ of, isProved, seen }) => {
    const mark = isProved
      ? styleText("green", "proved", { stream })
      : styleText("red", "FAILED", { stream });
    return `  ${mark}  ${of.padEnd(12)} ${seen.join(`\n${" ".repeat(23)}`)}`;
  });
  const boots = reports.map(({ boot }) => boot);
  const [first] = boots;
  const steps =
    first === undefined
      ? []
      : [...first.steps, { step: "all of it", durationMs: first.totalMs }];
  const times = steps.map(
    ({ step, durationMs }) =>
      `  ${durationMs.toFixed(1).padStart(8)} ms  ${step}`,
  );
  return [
    ...results,
    ...boots
      .flatMap(({ warnings }) => warnings)
      .map((warning) => `  warning: ${warning}`),
    "",
    "What dockroot did in the first boot, and how long it took in this virtual machine:",
    ...times,
  ].join("\n");
}
