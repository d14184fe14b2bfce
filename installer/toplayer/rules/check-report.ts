import type { ImageTree } from "../../system/image.ts";
import type { CheckedEntry } from "./check-facts.ts";
import type { Problem } from "./problem.ts";

/** What `dockroot toplayer check --json` prints, version 1. */
export interface CheckReport {
  readonly version: 1;
  readonly image: Pick<ImageTree, "reference" | "id">;
  /** As the user calls them, in the order in which they are laid over the image. */
  readonly layers: readonly string[];
  readonly entries: readonly ReportedEntry[];
  /** Errors first. */
  readonly problems: readonly Problem[];
}

export type ReportedEntry = Pick<
  CheckedEntry,
  "layer" | "path" | "kind" | "effect" | "target" | "through" | "replaced"
>;

export function reportEntry({
  layer,
  path,
  kind,
  effect,
  target,
  through,
  replaced,
}: CheckedEntry): ReportedEntry {
  return { layer, path, kind, effect, target, through, replaced };
}
