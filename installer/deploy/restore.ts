import { BootError, HelperError } from "../../runtime/base/errors.ts";
import { summarizeFailure } from "../../runtime/base/failure.ts";
import { findRootImage } from "../../runtime/boot/gather-facts.ts";
import {
  listKeptImages,
  showKeptImage,
} from "../../runtime/disk/kept-images.ts";
import type { Host } from "../../runtime/host/host.ts";
import { parseImageReference } from "../../runtime/images/image-ref.ts";
import type {
  Deployment,
  Deployments,
} from "../../runtime/records/deployments.ts";
import type { BootPlace } from "../loaders/boot-place.ts";
import { readSystemName } from "../packages/compare-packages.ts";
import { areBootFilesIntact, copyBootFiles } from "./boot-files.ts";
import type { DeployDisk } from "./deploy-disk.ts";
import { findBootFiles } from "./find-boot-files.ts";
import { keepImage, removeKeptImage } from "./kept-images.ts";
import { inMenu, nameDeployment } from "./plan/deployments.ts";

/**
 * Restores what deployments in the menu have lost: an image that is kept no longer is kept again where the
 * image store has it, and boot files that are missing or damaged are copied from the kept image. What cannot be restored
 * is warned of: the other deployments do not need it.
 */
export async function restoreLost(
  host: Host,
  deploy: DeployDisk,
  place: BootPlace,
  state: Deployments,
): Promise<void> {
  for (const deployment of inMenu(state)) {
    // Files are compared in one go, which keeps those waiting who tell how long it takes.
    await host.sleep(0);
    try {
      await restore(host, deploy, place, deployment);
    } catch (error) {
      const isKnown =
        error instanceof BootError || error instanceof HelperError;
      if (!isKnown) throw error;
      host.log.warn(
        `cannot restore ${nameDeployment(deployment)}: ${summarizeFailure(error)}`,
      );
    }
  }
}

/**
 * The same of one deployment.
 * @throws BootError KERNEL_MISSING where it cannot be restored, and what the image store says; HelperError
 */
export async function restore(
  host: Host,
  { disk, place: store }: DeployDisk,
  place: BootPlace,
  { image: { id, reference, repoDigest }, kernel }: Deployment,
): Promise<void> {
  if (!listKeptImages(disk).some((image) => image.id === id)) {
    const at = { host, topLevel: disk.topLevel, path: store.path };
    const wanted = parseImageReference(id);
    const image = findRootImage(at, store.kind, wanted, disk.isOverlay);
    // What an interruption has left of a subvolume would be in the way; layers that are there are held already.
    if (!disk.isOverlay) await removeKeptImage(disk, id);
    const system = readSystemName(host, await disk.showImage(image)) ?? null;
    await keepImage(disk, { image, reference, repoDigest, system });
    host.log.warn(`the image ${reference} was kept no longer, and is again`);
  }
  if (areBootFilesIntact(host, place, kernel)) return;
  const what = `the kept image ${reference}`;
  if (kernel.initramfs === "machine") {
    throw new BootError(
      "KERNEL_MISSING",
      "its kernel and the initramfs that was made on this machine are missing or damaged: dockroot upgrade makes another deployment of the image",
    );
  }
  const boot = await findBootFiles(host, {
    ...{ tree: await showKeptImage(disk, id), what, release: kernel.release },
    initramfs: "image",
    // What is deployed is restored as it was.
    isForBtrfs: false,
  });
  if (boot.digest !== kernel.digest) {
    throw new BootError(
      "KERNEL_MISSING",
      `kernel and initramfs of ${what} are not those that were deployed`,
    );
  }
  await copyBootFiles(host, place, boot);
  host.log.warn(
    `kernel and initramfs ${kernel.release} were missing or damaged, and are copied from ${what} again`,
  );
}
