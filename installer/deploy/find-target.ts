import { BootError } from "../../runtime/base/errors.ts";
import { checkBootable } from "../../runtime/boot/bootable.ts";
import { findRootImage } from "../../runtime/boot/gather-facts.ts";
import { gatherOptions } from "../../runtime/boot/gather-options.ts";
import type { Host } from "../../runtime/host/host.ts";
import {
  formatImageReference,
  goArchitecture,
  parseImageReference,
} from "../../runtime/images/image-ref.ts";
import type { InitramfsKind } from "../../runtime/options/table.ts";
import type {
  Deployment,
  Deployments,
} from "../../runtime/records/deployments.ts";
import type { RootImage } from "../../runtime/stores/store.ts";
import { readRepoDigest, type Engine } from "../engines/pull.ts";
import { readSystemName } from "../packages/compare-packages.ts";
import type { GeneratorName } from "../generators/generator.ts";
import type { BootPlace } from "../loaders/boot-place.ts";
import { areBootFilesIntact, type BootFiles } from "./boot-files.ts";
import { findBootFiles } from "./find-boot-files.ts";
import { findGenerator } from "./make-initramfs.ts";
import type { DeployDisk } from "./deploy-disk.ts";
import { inMenu } from "./plan/deployments.ts";

/** What is to be deployed, found and checked; nothing is changed yet. */
export interface Target {
  /** As its engine prints it. */
  readonly reference: string;
  readonly image: RootImage;
  /** Where its files are, absolute: while the disk is mounted. */
  readonly tree: string;
  /** Without an initramfs where that is made on this machine. */
  readonly boot: BootFiles;
  /** What makes it there. */
  readonly generator: GeneratorName | undefined;
  readonly repoDigest: string | null;
  /** What its os-release calls it. */
  readonly system: string | null;
}

interface TargetRequest {
  /** What to look for: a name, or an ID. */
  readonly wanted: string;
  /** The name under which it is to be known; `undefined`: that of `wanted`. */
  readonly name?: string;
  readonly kernel: string | undefined;
  readonly initramfs: InitramfsKind;
  readonly engine: Engine | undefined;
}

/**
 * Finds an image in the store, and what of it boots.
 * @throws BootError IMAGE_MISSING and others of the store, KERNEL_MISSING, INIT_MISSING, GENERATOR_MISSING
 */
export async function findTarget(
  host: Host,
  { disk, store, place }: DeployDisk,
  { wanted, name, kernel, initramfs, engine }: TargetRequest,
): Promise<Target> {
  const parsed = parseImageReference(wanted);
  const at = { host, topLevel: disk.topLevel, path: place.path };
  const image = findRootImage(at, place.kind, parsed, disk.isOverlay);
  const reference = name ?? formatImageReference(parsed, image);
  const what = `the image ${reference}`;
  const machine = goArchitecture(host);
  if (image.architecture !== undefined && image.architecture !== machine) {
    throw new BootError(
      "IMAGE_MISSING",
      `${what} is made for ${image.architecture}, this machine is ${machine}`,
      { hint: "Build or pull it for this machine." },
    );
  }
  const tree = await disk.showImage(image);
  const boot = await findBootFiles(host, {
    ...{ tree, what, initramfs },
    release: kernel,
    isForBtrfs: store.type === "btrfs",
  });
  checkBootable(host, tree, {
    what,
    init: gatherOptions(host).given.get("init")?.value,
    kernelRelease: boot.release,
  });
  const repoDigest =
    engine === undefined ? null : await tellRepoDigest(host, engine, reference);
  const system = readSystemName(host, tree) ?? null;
  const generator =
    initramfs === "machine" ? findGenerator(host, tree, what).name : undefined;
  return { reference, image, tree, boot, generator, repoDigest, system };
}

/** It is for people alone: an engine that does not run keeps nobody from upgrading. */
async function tellRepoDigest(
  host: Host,
  engine: Engine,
  reference: string,
): Promise<string | null> {
  try {
    return await readRepoDigest(host, engine, reference);
  } catch (error) {
    if (error instanceof BootError) return null;
    throw error;
  }
}

/** The newest deployment, where it is the target already: one that is bad is not made once more. */
export function findSame(
  host: Host,
  place: BootPlace,
  state: Deployments,
  { image, boot }: Target,
  initramfs: InitramfsKind,
): Deployment | undefined {
  const newest = inMenu(state).at(-1);
  if (newest?.image.id !== image.id) return undefined;
  const { kernel } = newest;
  const isSame =
    initramfs === "image"
      ? kernel.digest === boot.digest
      : // Each one that is made differs.
        kernel.initramfs === "machine" &&
        kernel.release === boot.release &&
        areBootFilesIntact(host, place, kernel);
  return isSame ? newest : undefined;
}
