import * as v from "valibot";
import { isImageId, type ImageId } from "../../../runtime/images/image-ref.ts";

/** What a registry has under a name, for this machine. */
export interface OfferedImage {
  /**
   * The digest of its configuration: the same image has the same one in each store. `null` where that is
   * not known, of an image that is not here.
   */
  readonly configId: ImageId | null;
  /** Of all its layers, as they are transferred; those that are here already are not. `null` where that is not known. */
  readonly bytes: number | null;
}

const shownImage = v.object({
  Id: v.string(),
  RepoDigests: v.nullish(v.array(v.string()), []),
});

/** What engines tell of an image that they have. */
export type ShownImage = v.InferOutput<typeof shownImage>;

const digest = v.custom<ImageId>(isImageId);

/** An image's manifest, of Docker's format or of OCI's. */
const manifest = v.object({
  config: v.object({ digest }),
  layers: v.array(v.object({ size: v.number() })),
});

const platform = v.object({ os: v.string(), architecture: v.string() });

/** An index of OCI's format, or a manifest list of Docker's. */
const index = v.object({
  manifests: v.array(v.object({ digest, platform: v.optional(platform) })),
});

/** What `docker manifest inspect --verbose` prints of an image; of an index a list of these. */
const described = v.object({
  Descriptor: v.object({ platform: v.optional(platform) }),
  SchemaV2Manifest: v.optional(manifest),
  OCIManifest: v.optional(manifest),
});

/** @param said by `image inspect` of one image */
export function parseShownImage(said: string): ShownImage | undefined {
  return parse(v.array(shownImage), said)?.[0];
}

/**
 * @param said by `docker manifest inspect --verbose`
 * @param architecture as Go names it
 * @returns `undefined` where there is no image for that architecture
 */
export function parseDockerManifest(
  said: string,
  architecture: string,
): OfferedImage | undefined {
  const value = parse(v.union([v.array(described), described]), said);
  const found = Array.isArray(value)
    ? value.find(({ Descriptor }) => fits(Descriptor.platform, architecture))
    : value;
  const its = found?.SchemaV2Manifest ?? found?.OCIManifest;
  return its && describeOffer(its);
}

/**
 * @param said by `podman manifest inspect`: a manifest, or an index of some
 * @returns of an index the digest of the manifest for that architecture
 */
export function parseManifest(
  said: string,
  architecture: string,
): OfferedImage | ImageId | undefined {
  const value = parse(v.union([manifest, index]), said);
  if (value === undefined || "config" in value) {
    return value && describeOffer(value);
  }
  return value.manifests.find((entry) => fits(entry.platform, architecture))
    ?.digest;
}

function parse<Shape extends v.GenericSchema>(
  shape: Shape,
  said: string,
): v.InferOutput<Shape> | undefined {
  const { success, output } = v.safeParse(
    v.pipe(v.string(), v.parseJson(), shape),
    said,
  );
  return success ? output : undefined;
}

function fits(
  platform: { os: string; architecture: string } | undefined,
  architecture: string,
): boolean {
  return platform?.os === "linux" && platform.architecture === architecture;
}

function describeOffer({
  config,
  layers,
}: v.InferOutput<typeof manifest>): OfferedImage {
  return {
    configId: config.digest,
    bytes: layers.reduce((sum, { size }) => sum + size, 0),
  };
}
