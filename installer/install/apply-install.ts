import { BootError, HelperError } from "../../runtime/base/errors.ts";
import { escapeControl } from "../../runtime/base/escape.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { Progress } from "../cli/progress.ts";
import type {
  Build,
  Generator,
  InitramfsImage,
} from "../generators/generator.ts";
import { findMissing } from "../initramfs/verify-image.ts";
import type { Install } from "./gather-install.ts";
import type { Uninstall } from "./gather-uninstall.ts";
import { EXECUTABLE, listImage, readImageNeeds } from "./inspect-image.ts";
import { lockedFor } from "./lock.ts";
import { writeChange, type Change } from "./plan/plan-files.ts";
import {
  FORMER_DIRECTORY,
  formatRecord,
  MANIFEST,
  type CommitRecord,
} from "./plan/records.ts";
import { inTransaction } from "./transaction.ts";

/** How it is told, and interrupted. */
export interface Reporter {
  readonly progress: Progress;
  readonly interruption: AbortSignal;
  /** Gets what the generator said, where it fails. */
  readonly tell: (text: string) => unknown;
  /** Gets a line for what was found good. */
  readonly say: (text: string) => unknown;
}

const SHOWN_OUTPUT_CHARS = 4000;

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
  const check = async (image: InitramfsImage) => {
    const hint = `The former initramfs is still in place. Find the setting of ${generator.name} that leaves it out.`;
    await requireWhole(host, generator, image, hint);
    reporter.say(
      `${image.path} has dockroot, its helpers, libraries and modules in it\n`,
    );
  };
  const writeManifest = writeChange(
    MANIFEST.file,
    { text: formatRecord(manifest) },
    { mode: 0o644, uid: 0, gid: 0 },
  );
  return applyChanges(
    host,
    [...changes, writeManifest],
    builds,
    { files: [], directories: [] },
    reporter,
    check,
  );
}

/** Looks into an image that was built. @throws BootError INSTALL_FAILED where it would not boot */
export async function requireWhole(
  host: Host,
  generator: Generator,
  { builtAt, path, kernelVersion }: InitramfsImage,
  hint: string,
): Promise<void> {
  const needs = await readImageNeeds(host, generator, kernelVersion);
  const files = await listImage(host, generator, builtAt);
  const missing = findMissing(files, needs);
  if (missing.length === 0) return;
  throw new BootError(
    "INSTALL_FAILED",
    `${path}, built by ${generator.name}, does not contain ${missing.join(", ")}`,
    { hint },
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
      `${path}, built by ${generator.name}, still contains dockroot`,
      { hint: "Another hook or module adds it: remove that first." },
    );
  };
  // Without the executable nothing could take an interrupted run back.
  const isLate = ({ kind, path }: Change) =>
    kind === "remove" && path === EXECUTABLE;
  const late = changes.filter(isLate).map(({ path }) => path);
  const failures = await applyChanges(
    host,
    changes.filter((change) => !isLate(change)),
    builds,
    {
      files: [...newImages, ...late],
      directories: [...manifest.directories.toReversed(), FORMER_DIRECTORY],
    },
    reporter,
    check,
  );
  return [...warnings, ...failures];
}

/**
 * @param left what is left to do besides putting the images in place
 * @param check looks into an image that has just been built
 * @returns what went wrong when all was in place
 */
async function applyChanges(
  host: Host,
  changes: readonly Change[],
  builds: readonly Build[],
  left: Omit<CommitRecord, "images">,
  reporter: Reporter,
  check: (image: InitramfsImage) => Promise<void>,
): Promise<string[]> {
  const images = builds.flatMap((build) => build.images);
  // Where a generator replaces an image, that is kept; else what it leaves goes if all goes wrong.
  const replaced = images
    .flatMap(({ builtAt, leftover }) => [builtAt, ...(leftover ?? [])])
    .map((path): Change => ({ kind: "keep", path }));
  await inTransaction(
    host,
    [...replaced, ...changes],
    () => buildImages(host, builds, reporter, check),
    {
      images: images
        .filter(({ path, builtAt }) => builtAt !== path)
        .map(({ path, builtAt }) => ({ from: builtAt, to: path })),
      ...left,
    },
  );
  return runAfterwards(host, builds);
}

/**
 * Builds the images and looks into each; none takes the place of its former one yet, but where the
 * generator leaves no choice.
 * @throws BootError INSTALL_FAILED
 */
async function buildImages(
  host: Host,
  builds: readonly Build[],
  reporter: Reporter,
  check: (image: InitramfsImage) => Promise<void>,
): Promise<void> {
  for (const { argv, images } of builds) {
    const names = images.map(({ path }) => path).join(", ");
    await reporter.progress(`building ${names}`, () =>
      runGenerator(host, { argv, names, prefix: lockedFor([]) }, reporter),
    );
    for (const image of images) {
      try {
        await check(image);
      } finally {
        // Ctrl-C ends what looks into it, too.
        refuseInterrupted(reporter.interruption);
      }
    }
  }
}

/** @returns what went wrong, for each that did */
async function runAfterwards(
  host: Host,
  builds: readonly Build[],
): Promise<string[]> {
  const warnings: string[] = [];
  for (const { afterwards } of builds) {
    if (afterwards === undefined) continue;
    try {
      await host.run(afterwards);
    } catch (error) {
      if (!(error instanceof HelperError)) throw error;
      warnings.push(error.message);
    }
  }
  return warnings;
}

export interface GeneratorCall {
  readonly argv: readonly string[];
  /** Of what it builds. */
  readonly names: string;
  /** The program that starts it. */
  readonly prefix?: readonly string[];
}

/**
 * Runs a generator until its end, or until it is interrupted.
 * @throws BootError INSTALL_FAILED, when `tell` has got what it printed last
 */
export async function runGenerator(
  host: Host,
  { argv, names, prefix = [] }: GeneratorCall,
  { interruption, tell }: Pick<Reporter, "interruption" | "tell">,
): Promise<void> {
  refuseInterrupted(interruption);
  let said = "";
  let ended: Promise<void> | undefined;
  let stop: (() => void) | undefined;
  try {
    // Both of its outputs, in their order.
    const call = [...prefix, "sh", "-c", 'exec "$@" 2>&1', "sh", ...argv];
    await host.run(call, {
      ownGroup: true,
      onStart: (groupId) => {
        stop = () => {
          ended = host.endGroup(groupId);
        };
        interruption.addEventListener("abort", stop);
      },
      onOutput: (chunk) => {
        said = (said + chunk.toString("utf8")).slice(-SHOWN_OUTPUT_CHARS);
      },
    });
  } catch (cause) {
    // What it has started must not go on to write.
    await ended;
    refuseInterrupted(interruption);
    if (!(cause instanceof HelperError)) throw cause;
    const lines = said.trimEnd().split("\n").filter(Boolean);
    for (const line of lines) tell(`  | ${escapeControl(line)}\n`);
    const failed = `${argv.join(" ")} failed; its output is above`;
    throw new BootError("INSTALL_FAILED", `cannot build ${names}`, {
      // Without any it may not have been started.
      cause: lines.length === 0 ? cause : new Error(failed),
      hint: "Nothing was changed. Correct the error and try again.",
    });
  } finally {
    if (stop !== undefined) interruption.removeEventListener("abort", stop);
  }
  await ended;
  refuseInterrupted(interruption);
}

/** @throws BootError INSTALL_FAILED */
function refuseInterrupted(interruption: AbortSignal): void {
  if (interruption.aborted) {
    throw new BootError("INTERRUPTED", "interrupted: nothing was changed");
  }
}
