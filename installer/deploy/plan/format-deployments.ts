import type { Deployments } from "../../../runtime/records/deployments.ts";
import { formatSize } from "../../text/human.ts";
import { formatTable } from "../../text/table.ts";
import { findDeployment, inMenu, nameDeployment } from "./deployments.ts";

/** What `dockroot deployments --json` prints, version 1. */
export function describeDeployments(
  state: Deployments,
  running: number | undefined,
) {
  return {
    version: 1 as const,
    follows: state.reference,
    loader: state.loader,
    running: running ?? null,
    next: state.next,
    deployments: inMenu(state).map(
      ({ n, image, kernel, state: own, isPinned, failure }) => ({
        ...{ n, image, state: own, isPinned, failure },
        kernel: { release: kernel.release, bytes: kernel.bytes },
      }),
    ),
  };
}

/** The deployments for people, the newest first. */
export function formatDeployments(
  state: Deployments,
  running: number | undefined,
): string {
  const shown = inMenu(state).toReversed();
  if (shown.length === 0) {
    return "There are no deployments: dockroot upgrade makes the first one.\n";
  }
  const rows = shown.map(
    ({ n, image, kernel, state: own, isPinned, failure }) => [
      String(n),
      [
        ...(n === running ? ["runs"] : []),
        ...(n === state.next ? ["boots next"] : []),
        ...(isPinned ? ["pinned"] : []),
        ...(own === "good" ? [] : [own]),
      ].join(", "),
      image.reference,
      image.id.slice("sha256:".length, "sha256:".length + 12),
      kernel.release,
      formatSize(kernel.bytes),
      failure ?? "",
    ],
  );
  const lines = formatTable(
    [["", "", "image", "ID", "kernel", "boot files", ""], ...rows],
    { rightAligned: [0, 5] },
  );
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

/** What boots next, before and after. */
export function formatChange(before: Deployments, after: Deployments): string {
  const name = (state: Deployments) => {
    const found = findDeployment(state, state.next);
    return found === undefined ? "none of dockroot's" : nameDeployment(found);
  };
  const kept = new Set(after.deployments.map(({ n }) => n));
  const gone = before.deployments.filter(({ n }) => !kept.has(n));
  return [
    ...gone.map((each) => `removed: ${nameDeployment(each)}\n`),
    ...(before.next === after.next
      ? [`boots next: ${name(after)}\n`]
      : [
          `boots next so far: ${name(before)}\n`,
          `boots next from now on: ${name(after)}\n`,
        ]),
  ].join("");
}
