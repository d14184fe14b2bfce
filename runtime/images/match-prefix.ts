import { BootError } from "../base/errors.ts";
import type { ImageId, ImageReference } from "./image-ref.ts";

const MAX_LISTED = 5;

/**
 * The one image whose ID begins with the digits that a name could also be.
 * @param ids asked for only where the name could be that; may repeat
 * @returns `undefined` where none does
 * @throws BootError IMAGE_AMBIGUOUS
 */
export function matchPrefix(
  reference: ImageReference,
  storePath: string,
  ids: () => readonly ImageId[],
): ImageId | undefined {
  if (reference.kind !== "name" || reference.idPrefix === undefined) {
    return undefined;
  }
  const prefix = reference.idPrefix;
  const fitting = new Set(
    ids().filter((id) => id.startsWith(`sha256:${prefix}`)),
  );
  if (fitting.size <= 1) return [...fitting][0];
  throw new BootError(
    "IMAGE_AMBIGUOUS",
    `${prefix} is the beginning of ${String(fitting.size)} image IDs in ${storePath}: ${[...fitting].slice(0, MAX_LISTED).join(", ")}`,
    { hint: "Give more digits of the ID, or the image's name." },
  );
}
