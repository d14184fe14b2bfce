import type { Deployment } from "../../../runtime/records/deployments.ts";
import type { Terminal } from "../../cli/cli-context.ts";
import { formatPackageChanges } from "../../packages/formats/format-changes.ts";
import { formatSize } from "../../text/human.ts";
import { formatSections, plain, type Line } from "../../text/table.ts";
import type { UpgradeResult } from "../upgrade-result.ts";
import { nameDeployment } from "./deployments.ts";

/** What `dockroot upgrade --json` prints, version 1. */
export function describeUpgrade({
  kind,
  from,
  to,
  isNext,
  ...rest
}: UpgradeResult) {
  const { system, generator, packages, writtenFiles, offered } = rest;
  const { rollback, removed, loader, warnings } = rest;
  return {
    version: 1 as const,
    result: kind,
    from: from === undefined ? null : summarize(from),
    to: {
      ...{ ...summarize(to), isNext, system, generator },
      bootBytes: to.kernel.bytes,
    },
    ...{ packages, writtenFiles, offered },
    ...{ rollback, removed, loader, warnings },
  };
}

function summarize({ n, image, kernel }: Deployment) {
  return { n, image, kernel: kernel.release };
}

/** The same for people. */
export function formatUpgrade(
  upgrade: UpgradeResult,
  { style }: Pick<Terminal, "style">,
): string {
  return formatSections(
    [formatSummary(upgrade), formatOutlook(upgrade)],
    style,
  );
}

function formatSummary({
  kind,
  from,
  to,
  system,
  generator,
  packages,
  warnings,
}: UpgradeResult): Line[] {
  const lines = warnings.map((warning) => `warning: ${warning}`);
  if (kind === "unchanged") return lines.map(plain);
  const size = formatSize(to.kernel.bytes);
  const about = [
    ...(system === null ? [] : [system]),
    ...(generator === null
      ? [`boot files ${size}`]
      : kind === "planned"
        ? [`kernel ${size}`, `initramfs to be made here by ${generator}`]
        : [`boot files ${size}`, `initramfs made here by ${generator}`]),
  ];
  lines.push(
    ...(from === undefined ? [] : [`from: ${nameDeployment(from)}`]),
    `to:   ${nameDeployment(to)}, ${about.join(", ")}`,
  );
  return [
    ...lines.map(plain),
    ...(packages === null ? [] : formatPackageChanges(packages)),
  ];
}

function formatOutlook({
  kind,
  to,
  isNext,
  rollback,
  isBooted,
  writtenFiles,
  offered,
  removed,
  loader,
}: UpgradeResult): Line[] {
  const newer =
    offered === null
      ? []
      : [
          `The registry has a newer image${describeSize(offered.bytes)}: dockroot upgrade pulls it.`,
        ];
  if (kind === "unchanged") {
    const same = `Nothing new: ${nameDeployment(to)} has the image that is in the store.`;
    const why =
      to.state === "bad"
        ? `It is bad: ${to.failure ?? "it was given up"}. `
        : "";
    const later = `${why}It does not boot next: dockroot rollback ${String(to.n)} makes it so.`;
    return [
      ...(newer.length > 0 ? newer : [same]),
      ...(isNext ? [] : [later]),
    ].map(plain);
  }
  const isPlanned = kind === "planned";
  return [
    ...newer,
    ...removed.map((n) =>
      isPlanned
        ? `Deployment ${String(n)} would be removed.`
        : `Deployment ${String(n)} was removed.`,
    ),
    ...(isPlanned
      ? [`${loader} would boot it next. Nothing was changed.`]
      : [
          `${loader} boots it next: reboot starts it.`,
          ...(isBooted
            ? [
                `${describeWritten(writtenFiles)} stays in that root, as a generation.`,
              ]
            : []),
          rollback === null
            ? "To undo this, choose another entry in the boot menu: there is no earlier deployment."
            : `To undo this: dockroot rollback ${String(rollback)}`,
        ]),
  ].map(plain);
}

function describeSize(bytes: number | null): string {
  return bytes === null ? "" : ` (${formatSize(bytes)} at most)`;
}

function describeWritten(files: number | null): string {
  const what = "What was written to the present root";
  return files === null
    ? what
    : `${what} since it booted (${String(files)} ${files === 1 ? "file" : "files"})`;
}
