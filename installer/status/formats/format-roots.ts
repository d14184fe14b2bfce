import path from "node:path";
import { abbreviateIds } from "../../../runtime/base/abbreviate-ids.ts";
import { escapeControl } from "../../../runtime/base/escape.ts";
import { formatSize } from "../../text/human.ts";
import type { RootOnDisk } from "./status.ts";
import { formatTable } from "../../text/table.ts";

const SIZE_COLUMN = 3;

/** The roots that stand on the disk, one in a line, below what the columns are. */
export function formatRoots(roots: readonly RootOnDisk[]): string[] {
  if (roots.length === 0) return [];
  const hasSizes = roots.some(({ size }) => size !== null);
  const header = ["", "start", "image", hasSizes ? "exclusive" : "", ""];
  const rows = roots.map((root) =>
    [
      `${root.isRoot ? "*" : " "} ${nameOf(root)}`,
      root.boot === null ? "" : String(root.boot),
      describeContent(root),
      root.size === null ? "" : formatSize(root.size.exclusiveBytes),
      root.state === "incomplete" ? "incomplete" : "",
    ].map(escapeControl),
  );
  return formatTable([header, ...rows], { rightAligned: [SIZE_COLUMN] });
}

function nameOf({ role, path: file }: RootOnDisk): string {
  return role === "rwlayer" ? file : `generation ${path.basename(file)}`;
}

function describeContent({ state, image }: RootOnDisk): string {
  if (state === "foreign") return "not made by dockroot";
  return image === null
    ? "unknown"
    : `${image.reference} (${abbreviateIds(image.id)})`;
}
