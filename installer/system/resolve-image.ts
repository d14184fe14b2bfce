import type { Host } from "../../runtime/host/host.ts";
import {
  formatImageReference,
  parseImageReference,
} from "../../runtime/images/image-ref.ts";
import type { StoredLayer } from "../../runtime/stores/store.ts";
import type { StoreKind } from "../../runtime/options/store-kinds.ts";
import type { StoreChoice } from "./find-system-store.ts";
import { lookInStore } from "./image.ts";

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
  return lookInStore(host, choice, reference, (opened) => {
    const image = opened.find(reference);
    const { id, store, architecture, source } = image;
    return {
      version: 1,
      reference: formatImageReference(reference),
      id,
      store,
      architecture: architecture ?? null,
      directory: host.path(`/${source}`),
      layers: opened.listLayers(image),
    };
  });
}
