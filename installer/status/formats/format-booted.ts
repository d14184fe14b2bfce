import path from "node:path";
import { formatMs, formatSize } from "../../text/human.ts";
import type { Status } from "./status.ts";
import { formatTable } from "../../text/table.ts";

const RESULTS: Readonly<Record<Status["result"], string>> = {
  fresh: "fresh: a new root, made from the image",
  kept: "kept: the root that was there, for the image is the same",
  fallback: "FALLBACK: a former root, for no new one could be made",
  generation: "generation: a former root that was asked for, as it is",
  failed: "FAILED: no root was made",
};

/** What booted, a fact in a line. */
export function formatBooted(status: Status): string[] {
  const { result, rwlayer, root, dockroot, kernel, totalMs } = status;
  const rows: [string, string | null][] = [["result", RESULTS[result]]];
  if (result !== "failed") {
    rows.push(
      ["image", status.image?.reference ?? "unknown"],
      ["ID", status.image?.id ?? "unknown"],
      ["rwlayer", rwlayer ?? "unknown"],
      [
        "generation",
        result === "generation" ? path.basename(root ?? "") : null,
      ],
      ["made by", describeMaker(status)],
      ["source", status.source],
      ["top layer", describeTopLayer(status)],
      ["disk", describeDisk(status)],
    );
  }
  rows.push(
    ["dockroot", dockroot],
    ["kernel", kernel],
    ["took", totalMs === null ? null : formatMs(totalMs)],
  );
  return formatTable(
    rows.flatMap(([name, value]) => (value === null ? [] : [[name, value]])),
  );
}

function describeMaker({ boot, result }: Status): string {
  if (boot === null) return "an unknown start";
  return `start ${String(boot)}${result === "fresh" ? ", this one" : ""}`;
}

function describeTopLayer({ toplayer, source }: Status): string | null {
  if (toplayer === null) return source === null ? null : "none";
  const { name, files, bytes } = toplayer;
  return `${name}, ${String(files)} ${files === 1 ? "file" : "files"} of ${formatSize(bytes)}`;
}

function describeDisk({ device, filesystemUuid }: Status): string | null {
  if (device === null && filesystemUuid === null) return null;
  const uuid = filesystemUuid === null ? [] : [`UUID=${filesystemUuid}`];
  return [...(device === null ? [] : [device]), ...uuid].join(", ");
}
