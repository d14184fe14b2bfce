import { isImageId, type ImageId } from "../../images/image-ref.ts";
import { isRecord } from "../../base/json-values.ts";

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
  if (!Array.isArray(parsed)) throw fail("it is no list of images");
  return parsed.map((entry: unknown, index) => {
    const at = `its image ${String(index + 1)}`;
    const hex = isRecord(entry) ? entry["id"] : undefined;
    const id = typeof hex === "string" ? `sha256:${hex}` : "";
    if (!isRecord(entry) || !isImageId(id)) throw fail(`${at} has no ID`);
    const names = entry["names"] ?? [];
    if (!isListOfTexts(names)) throw fail(`${at} has "names" that are no list`);
    const digests = entry["big-data-digests"] ?? {};
    if (!isRecord(digests)) throw fail(`${at} has no digests`);
    const leafLayer = entry["layer"] ?? "";
    if (typeof leafLayer !== "string") throw fail(`${at} has an odd layer`);
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
