import type { Deployment } from "../../../runtime/records/deployments.ts";
import { nameDeployment } from "./deployments.ts";

interface Upgrade {
  readonly kind: "unchanged" | "planned" | "upgraded";
  readonly from: Deployment | undefined;
  readonly to: Deployment;
  readonly removed: readonly number[];
  readonly loader: string;
  readonly warnings: readonly string[];
}

/** What `dockroot upgrade --json` prints, version 1. */
export function describeUpgrade({
  kind,
  from,
  to,
  removed,
  loader,
  warnings,
}: Upgrade) {
  return {
    version: 1 as const,
    result: kind,
    from: from === undefined ? null : summarize(from),
    to: summarize(to),
    ...{ removed, loader, warnings },
  };
}

function summarize({ n, image, kernel }: Deployment) {
  return { n, image, kernel: kernel.release };
}

/** The same for people. */
export function formatUpgrade(upgrade: Upgrade): string {
  const { kind, from, to, removed, loader, warnings } = upgrade;
  const lines = warnings.map((warning) => `warning: ${warning}`);
  if (kind === "unchanged") {
    lines.push(`nothing new: ${nameDeployment(to)} has this image already`);
    return toText(lines);
  }
  if (from !== undefined) lines.push(`from: ${nameDeployment(from)}`);
  lines.push(`to:   ${nameDeployment(to)}`);
  for (const n of removed) {
    lines.push(
      kind === "planned"
        ? `deployment ${String(n)} would be removed`
        : `removed: deployment ${String(n)}`,
    );
  }
  lines.push(
    kind === "planned"
      ? `${loader} would boot it next. Nothing was changed.`
      : `${loader} boots it next. To undo that: dockroot rollback`,
  );
  return toText(lines);
}

function toText(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}
