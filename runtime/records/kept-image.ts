import { isImageId, type ImageId } from "../images/image-ref.ts";
import { parseJsonObject, unreadable } from "../base/json-values.ts";
import {
  listOf,
  objectOf,
  orNull,
  parseCount,
  parseString,
  type Parser,
} from "./fields.ts";

/** What `.dockroot/images/<hex>/image.json` holds: it is written when the tree is complete. */
export interface KeptImage {
  readonly version: 1;
  /** btrfs's UUID of the tree: what proves that the subvolume is ours. */
  readonly uuid: string;
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

const parseFields = objectOf<Omit<KeptImage, "version">>({
  uuid: parseString,
  number: parseCount,
  reference: parseString,
  id: parseId,
  configId: parseId,
  repoDigest: orNull(parseString),
  diffIds: listOf(parseString),
  architecture: orNull(parseString),
  kernels: listOf(parseString),
  system: orNull(parseString),
});

/** @throws BootError FILE_UNREADABLE where it is damaged, or of another version */
export function parseKeptImage(text: string): KeptImage {
  const { version, ...fields } = parseJsonObject(text);
  const parsed = version === 1 ? parseFields(fields) : undefined;
  if (parsed !== undefined) return { version: 1, ...parsed };
  throw unreadable("its version or a field is missing or damaged");
}
