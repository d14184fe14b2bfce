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
import { findMissingIn, listImage } from "./look-into-image.ts";
import {
  formatManifest,
  MANIFEST_FILE,
  FORMER_DIRECTORY,
} from "./plan/manifest.ts";
import { inTransaction } from "./transaction.ts";
import type { Uninstall } from "./gather-uninstall.ts";
import { EXECUTABLE } from "./image-needs.ts";

/** How it is told. */
export type Reporter = Omit<Building, "check"> & {
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
  reporter: Reporter,
): Promise<string[]> {
  const check = async ({ builtAt, path, kernelVersion }: InitramfsImage) => {
    const image = { path: builtAt, kernelVersion };
    const missing = await findMissingIn(host, generator, image);
    if (missing.length > 0) {
      throw new BootError(
        "INSTALL_FAILED",
        `${path}, as ${generator.name} has built it, lacks ${missing.join(", ")}`,
        {
          hint: `The former initramfs is in place. What in the configuration of ${generator.name} leaves that out?`,
        },
      );
    }
    reporter.say(
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
    () => buildImages(host, builds, { ...reporter, check }),
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

/**
 * Takes the files back and builds the images without them; or changes nothing.
 * @returns what went wrong when all was taken back
 * @throws BootError
 */
export async function applyUninstall(
  host: Host,
  { generator, changes, builds, newImages, manifest, warnings }: Uninstall,
  reporter: Reporter,
): Promise<string[]> {
  const check = async ({ builtAt, path }: InitramfsImage) => {
    if (generator === undefined) return;
    const files = await listImage(host, generator, builtAt);
    if (!files.some((file) => file.path === "usr/bin/dockroot")) return;
    throw new BootError(
      "INSTALL_FAILED",
      `${path}, as ${generator.name} has built it, still has dockroot in it`,
      { hint: "Another hook or module brings it: remove that first." },
    );
  };
  const isLate = ({ kind, path }: Change) =>
    kind === "remove" && path === EXECUTABLE;
  const late = changes.filter(isLate).map(({ path }) => path);
  const early = changes.filter((change) => !isLate(change));
  await inTransaction(
    host,
    [...keepReplaced(builds), ...early],
    () => buildImages(host, builds, { ...reporter, check }),
    {
      images: imagesToPlace(builds),
      // Without the executable nothing could take an interrupted run back.
      files: [...newImages, ...late],
      directories: [...manifest.directories.toReversed(), FORMER_DIRECTORY],
    },
  );
  const more = await runAfterwards(host, builds);
  return [...warnings, ...more];
}
