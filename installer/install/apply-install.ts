import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { Build, InitramfsImage } from "../generators/generator.ts";
import {
  buildImages,
  imagesToPlace,
  runAfterwards,
  type Building,
} from "./build-images.ts";
import type { Change } from "./plan/change.ts";
import type { Install } from "./gather-install.ts";
import { lacksOf } from "./look-into-image.ts";
import { formatManifest, MANIFEST_FILE } from "./plan/manifest.ts";
import { inTransaction } from "./transaction.ts";

/** How it is told. */
export type Telling = Omit<Building, "check"> & {
  /** Gets a line for what was found good. */
  readonly say: (text: string) => unknown;
};

/**
 * Writes the files, builds the images, looks into them, and puts them in place; or changes nothing.
 * @returns what went wrong when all was in place
 * @throws BootError
 */
export async function applyInstall(
  host: Host,
  { generator, changes, builds, manifest }: Install,
  telling: Telling,
): Promise<string[]> {
  const check = async ({ builtAt, path, kernelVersion }: InitramfsImage) => {
    const image = { path: builtAt, kernelVersion };
    const lacks = await lacksOf(host, generator, image);
    if (lacks.length > 0) {
      throw new BootError(
        "INSTALL_FAILED",
        `${path}, as ${generator.name} has built it, lacks ${lacks.join(", ")}`,
        {
          hint: `The former initramfs is in place. What in the configuration of ${generator.name} leaves that out?`,
        },
      );
    }
    telling.say(
      `${path} has dockroot, its helpers and libraries, and btrfs in it\n`,
    );
  };
  const all = [
    ...keepReplaced(builds),
    ...changes,
    writeManifest(formatManifest(manifest)),
  ];
  await inTransaction(
    host,
    all,
    () => buildImages(host, builds, { ...telling, check }),
    { images: imagesToPlace(builds), files: [], directories: [] },
  );
  return runAfterwards(host, builds);
}

/** What a generator writes: where that replaces an image, it is kept; else it goes if all goes wrong. */
export function keepReplaced(builds: readonly Build[]): Change[] {
  return builds
    .flatMap(({ images }) => images)
    .flatMap(({ builtAt, leftover }) => [builtAt, ...(leftover ?? [])])
    .map((path) => ({ kind: "keep", path }));
}

function writeManifest(text: string): Change {
  return {
    kind: "write",
    path: MANIFEST_FILE,
    content: { text },
    ...{ mode: 0o644, uid: 0, gid: 0 },
  };
}
