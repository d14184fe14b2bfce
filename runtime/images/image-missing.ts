import { listNames, shorten } from "../base/shorten.ts";
import { distance } from "fastest-levenshtein";
import { BootError } from "../base/errors.ts";
import {
  formatImageReference,
  fullRepository,
  splitReference,
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
 * @param readNames gives the references in the store, as Docker prints them
 * @param note on the store, where it has no image
 */
export function imageMissing(
  reference: ImageReference,
  storePath: string,
  readNames: () => readonly string[],
  note?: string,
): BootError {
  return new BootError(
    "IMAGE_MISSING",
    `the image ${formatImageReference(reference)} is not in the store ${storePath}`,
    {
      cause: new Error(note ?? describeNames(reference, readNames)),
      hint:
        note === undefined
          ? "Correct docker_image= or docker_tag=, or fetch the image in a running system: docker pull, podman pull."
          : "Fetch the image with docker pull in a running system, where Docker uses this containerd.",
    },
  );
}

function describeNames(
  reference: ImageReference,
  readNames: () => readonly string[],
): string {
  if (reference.kind === "id") return "no image there has this ID";
  const names = readNames();
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
