import { escapeControl, formatJson } from "../../runtime/base/escape.ts";
import { abbreviateIds } from "../../runtime/base/abbreviate-ids.ts";
import type { StoreKind } from "../../runtime/options/store-kinds.ts";
import type { Terminal } from "../cli/surroundings.ts";
import { formatSize } from "../text/human.ts";
import { formatTable } from "../text/table.ts";
import type { ResolvedImage } from "./resolve-image.ts";

const SHOWN_LAYER_CHARS = 12;

/** Whose it is, and what `--store` calls it. */
const STORES = {
  graphdriver: "graphdriver, Docker's own",
  containerd: "containerd",
  podman: "podman",
} as const satisfies Record<StoreKind, string>;

/** The image for people. */
export function formatResolved(
  { reference, id, store, architecture, directory, layers }: ResolvedImage,
  { style }: Pick<Terminal, "style">,
): string {
  const bytes = layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const about = formatTable([
    ["image", reference],
    ["ID", id],
    ["store", STORES[store]],
    ["made for", architecture ?? "unknown"],
    ["directory", directory],
    ["layers", `${String(layers.length)}, ${formatSize(bytes)}`],
  ]);
  const table = formatTable(
    [
      ["size", "layer", "diff ID", "chain ID"],
      ...layers.map(({ sizeBytes, cacheId, diffId, chainId }) => [
        formatSize(sizeBytes),
        cacheId.slice(0, SHOWN_LAYER_CHARS),
        abbreviateIds(diffId),
        abbreviateIds(chainId),
      ]),
    ],
    { rightAligned: [0] },
  );
  return [
    ...about.map(escapeControl),
    "",
    style("bold", "layers, the base first:"),
    ...table.map((line) => `  ${escapeControl(line)}`),
  ]
    .map((line) => `${line}\n`)
    .join("");
}

/** The image for programs: `ResolvedImage` as it is. */
export function formatResolvedAsJson(resolved: ResolvedImage): string {
  return `${formatJson(resolved)}\n`;
}
