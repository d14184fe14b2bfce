import { shorten, listNames } from "../../base/shorten.ts";
import { BootError } from "../../base/errors.ts";
import { isRecord } from "../../base/json-values.ts";
import {
  fullRepository,
  isImageId,
  splitReference,
  type ImageId,
  type ImageName,
} from "../../images/image-ref.ts";

const MAX_LISTED = 10;

/** An entry of Podman's images.json, as far as it is needed. */
export interface PodmanImage {
  readonly id: ImageId;
  /** With the registry, and a tag or a digest: `localhost/system:1`. */
  readonly names: readonly string[];
  /** Digests of its manifest, and of the indexes by which it was pulled. */
  readonly manifestDigests: readonly string[];
  /** `undefined` where it has no layers, and for a list of images. */
  readonly leafLayer: string | undefined;
  /** Whether it is a list of images for several platforms, as `podman manifest create` makes it. */
  readonly isList: boolean;
}

/**
 * Reads the entries of images.json: a list of Image in containers-storage's images.go
 * (https://github.com/containers/storage/blob/v1.57.2/images.go). What it does not know is left out.
 * @param parsed the file's JSON
 * @param fail makes the error for what is wrong, as a clause
 * @throws what `fail` makes
 */
export function parsePodmanImages(
  parsed: unknown,
  fail: (what: string) => Error,
): PodmanImage[] {
  if (!Array.isArray(parsed)) throw fail("it is not a list of images");
  return parsed.map((entry: unknown, index) => {
    const at = `its image ${String(index + 1)}`;
    const hex = isRecord(entry) ? entry["id"] : undefined;
    const id = typeof hex === "string" ? `sha256:${hex}` : "";
    if (!isRecord(entry) || !isImageId(id)) throw fail(`${at} has no ID`);
    const names = entry["names"] ?? [];
    if (!isListOfTexts(names))
      throw fail(`${at} has "names" that are not a list of texts`);
    const digests = entry["big-data-digests"] ?? {};
    if (!isRecord(digests)) throw fail(`${at} has no digests`);
    const leafLayer = entry["layer"] ?? "";
    if (typeof leafLayer !== "string")
      throw fail(`${at} has a layer that is not a text`);
    const manifestDigests = Object.entries(digests)
      .filter(([name]) => name.startsWith("manifest"))
      .map(([, digest]) => String(digest));
    return {
      id,
      names,
      manifestDigests,
      leafLayer: leafLayer === "" ? undefined : leafLayer,
      isList: leafLayer === "" && !(id in digests) && "manifest" in digests,
    };
  });
}

function isListOfTexts(value: unknown): value is string[] {
  return (
    Array.isArray(value) && value.every((text) => typeof text === "string")
  );
}

/**
 * The image of exactly that name, or, where the name has no registry, the one of that name directly
 * below a registry: `localhost/system` or `docker.io/library/system` for `system`.
 *
 * Which registry comes first is told by registries.conf, whose aliases come even before localhost,
 * and not by the store. So several images that a name could mean are an error.
 * @throws BootError IMAGE_AMBIGUOUS
 * @see https://github.com/containers/image/blob/v5.34.2/docs/containers-registries.conf.5.md
 */
export function matchName(
  reference: ImageName,
  images: readonly PodmanImage[],
): PodmanImage | undefined {
  const { repository, isQualified } = reference;
  const full = fullRepository(repository);
  return findSingle(reference, images, (own) => {
    const belowRegistry = own.slice(own.indexOf("/") + 1);
    return own === full || (!isQualified && belowRegistry === repository);
  });
}

/**
 * The image whose name ends with a name without a registry: `registry.example/me/system` for
 * `system`. Podman finds it where there is nothing else.
 * @throws BootError IMAGE_AMBIGUOUS where Podman takes the first of several
 */
export function matchNameEnd(
  reference: ImageName,
  images: readonly PodmanImage[],
): PodmanImage | undefined {
  const end = `/${reference.repository}`;
  if (reference.isQualified) return undefined;
  return findSingle(reference, images, (own) => own.endsWith(end));
}

/**
 * The image with the tag or the digest.
 * @param isMeant whether one of its repositories, with the registry, is the one that is meant
 */
function findSingle(
  { repository, tag, digest }: ImageName,
  images: readonly PodmanImage[],
  isMeant: (repository: string) => boolean,
): PodmanImage | undefined {
  const found = images.flatMap((image) =>
    image.names
      .map(splitReference)
      .filter((own) =>
        digest === undefined
          ? own.digest === undefined && own.tag === tag
          : image.manifestDigests.includes(digest),
      )
      .filter(({ name }) => isMeant(name))
      .map(({ name }) => ({ image, name })),
  );
  if (new Set(found.map(({ image }) => image.id)).size <= 1) {
    return found[0]?.image;
  }
  const end = digest === undefined ? `:${tag}` : `@${digest}`;
  const names = new Set(found.map(({ name }) => shorten(name + end)));
  throw new BootError(
    "IMAGE_AMBIGUOUS",
    `${repository}${end} matches several images: ${listNames([...names], MAX_LISTED)}`,
    {
      hint: "Write the name with its registry, as podman images prints it; which one podman takes depends on its registries.conf.",
    },
  );
}
