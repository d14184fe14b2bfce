import path from "node:path";
import { readBytesIn, followIn } from "../../runtime/host/follow-in.ts";
import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { ListedLayer } from "../../runtime/tree/layer.ts";
import type { CheckFacts } from "../toplayer/rules/check-facts.ts";

/** Files of the new root, as image and top layer leave them. */
export interface FinalFiles {
  /** `undefined` where there is none that can be read. */
  readText(file: string): string | undefined;
  /** The names in a directory. */
  namesIn(directory: string): string[];
}

const MAX_TEXT_BYTES = 1024 * 1024;

/** @param image the image's tree */
export function createFinalFiles(
  host: Host,
  layers: readonly ListedLayer[],
  image: string,
  { entries }: Pick<CheckFacts, "entries">,
): FinalFiles {
  const standing = entries.filter(({ isCovered }) => !isCovered);
  const byLayers = new Map(standing.map((entry) => [entry.target, entry]));
  const readText = (file: string): string | undefined => {
    const entry = byLayers.get(file);
    if (entry === undefined || entry.effect === "merge") {
      return tryToRead(host, image, file);
    }
    const layer = layers[entry.layer];
    if (entry.kind !== "file" || layer === undefined) return undefined;
    if (!["add", "replace"].includes(entry.effect)) return undefined;
    const whole = Buffer.from(path.join(layer.at, entry.path));
    const probed = host.files.probeFile(whole, MAX_TEXT_BYTES);
    return "refused" in probed ? undefined : probed.start.toString("utf8");
  };
  const namesIn = (directory: string): string[] => {
    const inImage = followIn(host, image, directory);
    const names = inImage === undefined ? [] : host.files.namesIn(inImage);
    const added = standing
      .filter(({ effect }) => ["add", "replace"].includes(effect))
      .filter(({ target }) => path.dirname(target) === directory)
      .map(({ target }) => path.basename(target));
    return [...new Set([...names, ...added])];
  };
  return { readText, namesIn };
}

function tryToRead(host: Host, tree: string, file: string): string | undefined {
  try {
    return readBytesIn(host, tree, file, MAX_TEXT_BYTES)?.toString("utf8");
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    return undefined;
  }
}
