import type { Host } from "../../runtime/host/host.ts";
import {
  formatImageReference,
  parseImageReference,
} from "../../runtime/images/image-ref.ts";
import { openStore } from "../../runtime/stores/open-store.ts";
import type { StoredLayer } from "../../runtime/stores/store.ts";
import type { StoreKind } from "../../runtime/options/table.ts";
import type { StoreChoice } from "./find-store.ts";
import { lookInStore, requireInInitramfs } from "./image.ts";
import { abbreviateIds } from "../../runtime/base/shorten.ts";
import type { Terminal } from "../cli/cli-context.ts";
import { formatSize } from "../text/human.ts";
import { formatSections, formatTable, plain, title } from "../text/table.ts";

/** What `dockroot resolve --json` prints, version 1. */
export interface ResolvedImage {
  readonly version: 1;
  readonly reference: string;
  readonly id: string;
  /** Whose store it is in. */
  readonly store: StoreKind;
  /** As Go names it (`amd64`, `arm64`); `null` where the image says none. */
  readonly architecture: string | null;
  /** The image's whole tree, absolute: a subvolume of the store. */
  readonly directory: string;
  /** The base layer first. */
  readonly layers: readonly StoredLayer[];
}

/** @throws BootError */
export function resolveImage(
  host: Host,
  choice: StoreChoice,
  text: string,
): ResolvedImage {
  const reference = parseImageReference(text);
  return lookInStore(host, choice, reference, (location, kind) => {
    const opened = openStore(location, kind);
    const image = opened.findRoot(reference);
    const { id, store, architecture, source } = image;
    const directory = host.path(`/${source}`);
    requireInInitramfs(host, location.path, store, directory);
    return {
      version: 1,
      reference: formatImageReference(reference, image),
      id,
      store,
      architecture: architecture ?? null,
      directory,
      layers: opened.listLayers(image),
    };
  });
}

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
  return formatSections(
    [
      about.map(plain),
      [
        title("layers, the base first:"),
        ...table.map((line) => plain(`  ${line}`)),
      ],
    ],
    style,
  );
}
