import { listNames, shorten } from "../base/shorten.ts";
import { distance } from "fastest-levenshtein";
import { BootError } from "../base/errors.ts";
import {
  formatImageReference,
  fullRepository,
  splitReference,
  type ImageId,
  type ImageName,
  type ImageReference,
} from "./image-ref.ts";

const MAX_LISTED = 10;

/** More names, or longer ones, are no engine's: to compare them all would take for ever. */
const MAX_COMPARED = 10_000;

const MAX_NAME_CHARS = 512;

/**
 * The error for an image that is not in the store: it lists the tags there are for that repository,
 * or else the nearest names.
 * @param names the references in the store, as Docker prints them
 */
export function imageMissing(
  reference: ImageReference,
  storePath: string,
  names: readonly string[],
): BootError {
  return new BootError(
    "IMAGE_MISSING",
    `the image ${formatImageReference(reference)} is not in the store ${storePath}`,
    {
      cause: new Error(describeNames(reference, names)),
      hint: "Correct docker_image= or docker_tag= in the boot menu entry, or fetch the image in a running system: docker pull, podman pull.",
    },
  );
}

function describeNames(
  reference: ImageReference,
  names: readonly string[],
): string {
  if (reference.kind === "id") return "no image there has this ID";
  if (names.length === 0) return "no image there has a name";
  const same = namesOf(reference, names);
  if (same.length > 0) {
    return `of ${reference.repository} there are: ${listNames(same.map(shorten), MAX_LISTED)}`;
  }
  const wanted = formatImageReference(reference);
  const nearest = names
    .filter((name) => name.length <= MAX_NAME_CHARS)
    .slice(0, MAX_COMPARED)
    .map((name) => ({ name, far: distance(name, wanted) }))
    .sort((a, b) => a.far - b.far)
    .map(({ name }) => name);
  return `there is no image of that name; the nearest names are: ${listNames(nearest.map(shorten), MAX_LISTED)}`;
}

/** Those of the repository itself; where there are none, those that end with its name. */
function namesOf(
  { repository, isQualified }: ImageName,
  names: readonly string[],
): string[] {
  const full = fullRepository(repository);
  const repositoryOf = (text: string) => splitReference(text).name;
  const exact = names.filter(
    (name) => fullRepository(repositoryOf(name)) === full,
  );
  if (exact.length > 0 || isQualified) return exact;
  return names.filter((name) => repositoryOf(name).endsWith(`/${repository}`));
}

const MAX_FITTING = 5;

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
    `${prefix} is the beginning of ${String(fitting.size)} image IDs in ${storePath}: ${listNames([...fitting], MAX_FITTING)}`,
    { hint: "Give more digits of the ID, or the image's name." },
  );
}
