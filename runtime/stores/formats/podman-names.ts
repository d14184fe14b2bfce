import { listNames } from "../../base/list-names.ts";
import { BootError } from "../../base/errors.ts";
import {
  fullRepository,
  splitReference,
  type ImageName,
} from "../../images/image-ref.ts";
import { shorten } from "../../base/abbreviate-ids.ts";
import type { PodmanImage } from "./podman-images.ts";

interface NamedImage {
  readonly image: PodmanImage;
  /** With the registry. */
  readonly repository: string;
}

const MAX_LISTED = 10;

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
  return requireSingle(
    reference,
    findNamed(reference, images).filter(
      (named) =>
        named.repository === full ||
        (!isQualified && belowRegistry(named.repository) === repository),
    ),
  );
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
  if (reference.isQualified) return undefined;
  return requireSingle(
    reference,
    findNamed(reference, images).filter(({ repository }) =>
      repository.endsWith(`/${reference.repository}`),
    ),
  );
}

/** The images with the tag or the digest, under each of their names. */
function findNamed(
  { tag, digest }: ImageName,
  images: readonly PodmanImage[],
): NamedImage[] {
  return images.flatMap((image) => {
    const hasDigest =
      digest !== undefined && image.manifestDigests.includes(digest);
    return image.names
      .map(splitReference)
      .filter((own) =>
        digest === undefined
          ? own.digest === undefined && own.tag === tag
          : hasDigest,
      )
      .map(({ name }) => ({ image, repository: name }));
  });
}

function requireSingle(
  { repository, tag, digest }: ImageName,
  found: readonly NamedImage[],
): PodmanImage | undefined {
  if (new Set(found.map(({ image }) => image.id)).size <= 1) {
    return found[0]?.image;
  }
  const end = digest === undefined ? `:${tag}` : `@${digest}`;
  const names = [...new Set(found.map((named) => named.repository + end))];
  throw new BootError(
    "IMAGE_AMBIGUOUS",
    `${repository}${end} could be several images: ${listNames(names.map(shorten), MAX_LISTED)}`,
    {
      hint: "Write the name with its registry, as podman images prints it; which one podman takes depends on its registries.conf.",
    },
  );
}

/** `me/system` of `registry.example/me/system`. */
function belowRegistry(repository: string): string {
  return repository.slice(repository.indexOf("/") + 1);
}
