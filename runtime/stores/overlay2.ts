import path from "node:path";
import { shorten } from "../base/shorten.ts";
import type { ImageId } from "../images/image-ref.ts";
import { parseLinkTarget, parseLower } from "./formats/overlay2-links.ts";
import { sourceMissing, type StoreFiles } from "./store-files.ts";
import { requireLayers } from "./stored-tree.ts";
import type { LayeredTree, StoredImage } from "./store.ts";

const DIRECTORY = "overlay2";

const LINKS = "l";

/** Several times as long as it is with as many layers as an image may have. */
const MAX_LOWER_BYTES = 64 * 1024;

/**
 * The layers of an image of Docker's overlay2 driver. Those below the leaf layer are the ones that its
 * file `lower` lists, as Docker mounts them: they may be others than the layer database has.
 * @param cacheId the leaf layer's
 * @throws BootError SOURCE_MISSING, STORE_DAMAGED, STORE_UNSUPPORTED
 */
export function findOverlay2Tree(
  store: StoreFiles,
  { id, diffIds }: StoredImage,
  cacheId: string,
): LayeredTree {
  const lower = store.file(`${DIRECTORY}/${cacheId}/lower`);
  const bytes = lower.readIfPresent(MAX_LOWER_BYTES);
  const links = bytes === undefined ? [] : parseLower(bytes.toString("latin1"));
  if (links === undefined) {
    throw lower.damaged("it is not a list of links to layers (cut off?)");
  }
  const names = [cacheId, ...followLinks(store, id, links)];
  const tree = requireLayers(
    lower,
    id,
    DIRECTORY,
    names.map((name) => ({ directory: `${name}/diff`, key: name })),
  );
  // What the list was cut off after shows only in the layers.
  const base = names.at(-1) ?? cacheId;
  const isWhole = !store.file(`${DIRECTORY}/${base}/lower`).isPresent();
  if (isWhole && names.length >= diffIds.length) return tree;
  throw lower.damaged(
    `the image ${id} has more layers than it lists (cut off?)`,
  );
}

/** @returns the IDs of the layers */
function followLinks(
  store: StoreFiles,
  id: ImageId,
  links: readonly string[],
): string[] {
  // Once for all of them: each would take as long as all the rest.
  const directory = store.resolve(`${DIRECTORY}/${LINKS}`) ?? "";
  return links.map((link) => {
    const place = path.join(directory, link);
    const file = store.file(`${DIRECTORY}/${LINKS}/${link}`);
    const kind = store.host.files.statusOf(place)?.kind;
    if (kind === undefined) {
      throw sourceMissing(
        `the layers of the image ${id} are not all in the store`,
        `: ${file.path} is absent`,
        file.place,
      );
    }
    if (kind !== "symlink") {
      throw file.damaged(`it is a ${kind}, not a symlink`);
    }
    const target = store.host.files.linkTarget(place);
    const layer = parseLinkTarget(target);
    if (layer !== undefined) return layer;
    throw file.damaged(
      `it leads to "${shorten(target)}", which is not a layer`,
    );
  });
}
