/**
 * The names of overlay2's layers, as Docker's driver writes them: `overlay2/<ID>/diff` is what a layer
 * adds, `overlay2/l/<26 letters and digits>` a short link to it, and `overlay2/<ID>/lower` has the
 * links of the layers below it, the nearest first, without a final newline.
 * @see https://github.com/moby/moby/blob/v28.5.2/daemon/graphdriver/overlay2/overlay.go
 */

/** 64 hex digits, or 25 base-36 digits for the layers that BuildKit makes. */
const ID = "(?:[0-9a-f]{64}|[0-9a-z]{25})";

export const CACHE_ID = new RegExp(`^${ID}$`);

const LINK = /^l\/([A-Z0-9]{26})$/;

/** A layer that is made for a container, too, may be below those of an image. */
const LINK_TARGET = new RegExp(`^\\.\\./(${ID}(?:-init)?)/diff$`);

/** The names of the links in a file `lower`; `undefined` where it has something else. */
export function parseLower(text: string): string[] | undefined {
  const links = text.split(":").map((link) => LINK.exec(link)?.[1]);
  return links.every((link) => link !== undefined) ? links : undefined;
}

/** The ID of the layer to which a link's text leads; `undefined` where it leads elsewhere. */
export function parseLinkTarget(target: string): string | undefined {
  return LINK_TARGET.exec(target)?.[1];
}
