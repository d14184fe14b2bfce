import { hexOf, isImageId, type ImageId } from "../images/image-ref.ts";
import { parseJsonObject, unreadable } from "../base/json-values.ts";
import {
  listOf,
  objectOf,
  orNull,
  parseCount,
  parseString,
  type Parser,
} from "./fields.ts";
import { parseLayers } from "./rwlayer-state.ts";

/** What `.dockroot/images/<hex>/image.json` holds: it is written when the tree is complete. */
export interface KeptImage {
  readonly version: 1;
  /** btrfs's UUID of the tree: what proves that the subvolume is ours. `null` where there is none, but layers. */
  readonly uuid: string | null;
  /** The keys of the layers that it is an overlay of, the topmost first; absent for a subvolume. */
  readonly layers?: readonly string[];
  /** Counts the images that were kept on this disk, from 1. */
  readonly number: number;
  /** As its engine prints it. */
  readonly reference: string;
  /** The ID that its engine shows. */
  readonly id: ImageId;
  /** The digest of its configuration: the same image has the same one in each store. */
  readonly configId: ImageId;
  readonly repoDigest: string | null;
  readonly diffIds: readonly string[];
  /** As Go names it; `null` where the image says none. */
  readonly architecture: string | null;
  /** The kernel releases whose modules it holds. */
  readonly kernels: readonly string[];
  /** What its os-release calls it. */
  readonly system: string | null;
}

const parseId: Parser<ImageId> = (value) =>
  isImageId(value) ? value : undefined;

const parseFields = objectOf(
  {
    uuid: orNull(parseString),
    number: parseCount,
    reference: parseString,
    id: parseId,
    configId: parseId,
    repoDigest: orNull(parseString),
    diffIds: listOf(parseString),
    architecture: orNull(parseString),
    kernels: listOf(parseString),
    system: orNull(parseString),
  },
  { layers: parseLayers },
);

/**
 * @param hex the digits of the image's ID
 * @throws BootError FILE_UNREADABLE where it is damaged, of another version, or another image's
 */
export function parseKeptImage(text: string, hex: string): KeptImage {
  const { version, ...fields } = parseJsonObject(text);
  const parsed = version === 1 ? parseFields(fields) : undefined;
  if (parsed !== undefined && hexOf(parsed.id) === hex) {
    return { version: 1, ...parsed };
  }
  throw unreadable("its version or a field is missing or damaged");
}
