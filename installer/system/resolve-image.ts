import type { Host } from "../../runtime/host/host.ts";
import {
  formatImageReference,
  parseImageReference,
} from "../../runtime/images/image-ref.ts";
import { openStore } from "../../runtime/stores/open-store.ts";
import type { StoredLayer, TreeLayer } from "../../runtime/stores/store.ts";
import type { StoreKind } from "../../runtime/options/table.ts";
import type { StoreChoice } from "./find-store.ts";
import { lookInStore, requireInInitramfs } from "./image.ts";
import { leafOf } from "./show-tree.ts";
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
  /** The image's whole tree, absolute, where that is a subvolume of the store. */
  readonly directory: string | null;
  /** What overlayfs makes the tree of, absolute, the leaf layer first; `null` where it is a subvolume. */
  readonly lowers: readonly TreeLayer[] | null;
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
    const image = opened.find(reference);
    const { id, store, architecture, tree } = image;
    const at = (directory: string) => host.path(`/${directory}`);
    requireInInitramfs(host, location.path, store, at(leafOf(tree)));
    return {
      version: 1,
      reference: formatImageReference(reference, image),
      id,
      store,
      architecture: architecture ?? null,
      directory: tree.kind === "subvolume" ? at(tree.source) : null,
      lowers:
        tree.kind === "subvolume"
          ? null
          : tree.layers.map(({ directory, key }) => ({
              directory: at(directory),
              key,
            })),
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
  image: ResolvedImage,
  { style }: Pick<Terminal, "style">,
): string {
  const { reference, id, store, architecture } = image;
  const { directory, lowers, layers } = image;
  const bytes = layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const about = formatTable([
    ["image", reference],
    ["ID", id],
    ["store", STORES[store]],
    ["made for", architecture ?? "unknown"],
    ...(directory === null ? [] : [["directory", directory]]),
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
      ...(lowers === null
        ? []
        : [
            [
              title("what overlayfs mounts, the leaf layer first:"),
              ...lowers.map((lower) => plain(`  ${lower.directory}`)),
            ],
          ]),
    ],
    style,
  );
}
