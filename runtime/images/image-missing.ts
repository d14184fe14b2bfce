import { abbreviateIds, listNames, shorten } from "../base/shorten.ts";
import { distance } from "fastest-levenshtein";
import { BootError } from "../base/errors.ts";
import type { StoreReader } from "../stores/store.ts";
import {
  familiarName,
  formatImageReference,
  fullRepository,
  hexOf,
  isImageId,
  splitDomain,
  splitReference,
  type ImageName,
  type ImageReference,
} from "./image-ref.ts";

const MAX_LISTED = 10;
const MAX_NEAREST = 3;

/** Shorter ones are more likely names. */
const SHORTEST_TAGGED_ID = 4;

/** More names, or longer ones, are no engine's: to compare them all would take for ever. */
const MAX_COMPARED = 10_000;
const MAX_NAME_CHARS = 512;

/** The hint of a boot where the store has other images. */
export const CORRECT_IMAGE =
  "Correct docker_image= or docker_tag=, or fetch the image in a running system: docker pull, podman pull.";

/**
 * The error for an image that is not in the store: it lists the tags there are for that repository,
 * or else the nearest names.
 * @throws BootError STORE_DAMAGED where the store's names cannot be read
 */
export function imageMissing(
  reference: ImageReference,
  storePath: string,
  store: Pick<StoreReader, "kind" | "listIds" | "listNames" | "explainEmpty">,
): BootError {
  const what = `the image ${formatImageReference(reference)} is not in the store ${storePath}`;
  const fail = (cause: string, hint: string) =>
    new BootError("IMAGE_MISSING", what, { cause: new Error(cause), hint });

  const ids = store.listIds();
  if (ids.length === 0) {
    const fetch = {
      graphdriver: "docker pull NAME",
      containerd: "docker pull NAME, where Docker uses this containerd",
      podman: "sudo podman pull NAME",
    }[store.kind];
    return fail(
      store.explainEmpty?.() ?? "there is no image in it",
      `Fetch the image in a running system: ${fetch}.`,
    );
  }
  if (reference.kind === "id") {
    return fail("no image there has this ID", CORRECT_IMAGE);
  }
  const { digest, idPrefix } = reference;
  if (isImageId(digest) && ids.includes(digest)) {
    return fail(
      `${digest} is not a digest of ${reference.repository}, but the ID of an image`,
      `Write the ID alone: ${digest}.`,
    );
  }
  const names = store.listNames();
  if (names.length === 0) {
    const listed = listNames([...new Set(ids)].map(abbreviateIds), MAX_NEAREST);
    return fail(
      `no image there has a name; the IDs are: ${listed}`,
      "Name the image by its ID.",
    );
  }
  const { repository } = reference;
  const isTaggedId =
    repository.length >= SHORTEST_TAGGED_ID &&
    ids.some((id) => hexOf(id).startsWith(repository)) &&
    namesOf(reference, names).length === 0;
  if (isTaggedId) {
    return fail(
      `${repository} is the beginning of an image ID, which has no tag`,
      `Write the ID alone: ${repository}.`,
    );
  }
  const orId = idPrefix === undefined ? "" : ", and no ID begins like that";
  return fail(`${describeNames(reference, names)}${orId}`, CORRECT_IMAGE);
}

function describeNames(reference: ImageName, names: readonly string[]): string {
  const same = namesOf(reference, names);
  if (same.length > 0) {
    return `the store has: ${listNames(same.map(shorten), MAX_LISTED)}`;
  }
  const wanted = formatImageReference(reference);
  const nearest = names
    .filter((name) => name.length <= MAX_NAME_CHARS)
    .slice(0, MAX_COMPARED)
    .map((name) => {
      const familiar = familiarName(name);
      const { path } = splitDomain(familiar);
      return {
        name,
        far: distance(reference.isQualified ? familiar : path, wanted),
      };
    })
    .sort((a, b) => a.far - b.far)
    .slice(0, MAX_NEAREST)
    .map(({ name }) => shorten(name));
  return `there is no image of that name; the nearest names are: ${nearest.join(", ")}`;
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
