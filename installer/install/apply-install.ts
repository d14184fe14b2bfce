import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { Build, InitramfsImage } from "../generators/generator.ts";
import { findMissing } from "../initramfs/verify-image.ts";
import { buildImages, runAfterwards, type Building } from "./build-images.ts";
import { writeChange, type Change } from "./plan/change.ts";
import type { Install } from "./gather-install.ts";
import type { CommitRecord } from "./plan/journal.ts";
import { listImage } from "./look-into-image.ts";
import {
  formatManifest,
  MANIFEST_FILE,
  FORMER_DIRECTORY,
} from "./plan/manifest.ts";
import { inTransaction } from "./transaction.ts";
import type { Uninstall } from "./gather-uninstall.ts";
import { EXECUTABLE, readImageNeeds } from "./inspect-image.ts";

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
    const needs = await readImageNeeds(host, generator, kernelVersion);
    const files = await listImage(host, generator, builtAt);
    const missing = findMissing(files, needs);
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
  const writeManifest = writeChange(
    MANIFEST_FILE,
    { text: formatManifest(manifest) },
    { mode: 0o644, uid: 0, gid: 0 },
  );
  await applyChanges(
    host,
    [...changes, writeManifest],
    builds,
    { ...reporter, check },
    { files: [], directories: [] },
  );
  return runAfterwards(host, builds);
}

/** @param left what is left to do besides putting the images in place */
async function applyChanges(
  host: Host,
  changes: readonly Change[],
  builds: readonly Build[],
  building: Building,
  left: Omit<CommitRecord, "images">,
): Promise<void> {
  const images = builds.flatMap((build) => build.images);
  // Where a generator replaces an image, that is kept; else what it leaves goes if all goes wrong.
  const replaced = images
    .flatMap(({ builtAt, leftover }) => [builtAt, ...(leftover ?? [])])
    .map((path): Change => ({ kind: "keep", path }));
  await inTransaction(
    host,
    [...replaced, ...changes],
    () => buildImages(host, builds, building),
    {
      images: images
        .filter(({ path, builtAt }) => builtAt !== path)
        .map(({ path, builtAt }) => ({ from: builtAt, to: path })),
      ...left,
    },
  );
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
  await applyChanges(
    host,
    early,
    builds,
    { ...reporter, check },
    {
      // Without the executable nothing could take an interrupted run back.
      files: [...newImages, ...late],
      directories: [...manifest.directories.toReversed(), FORMER_DIRECTORY],
    },
  );
  return [...warnings, ...(await runAfterwards(host, builds))];
}
