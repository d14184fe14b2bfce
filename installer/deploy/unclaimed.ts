import path from "node:path";
import type { Host } from "../../runtime/host/host.ts";
import { listKeptImages } from "../../runtime/disk/kept-images.ts";
import { isImageId } from "../../runtime/images/image-ref.ts";
import {
  KEPT_IMAGES,
  keptImagePaths,
} from "../../runtime/options/rwlayer-names.ts";
import type { Deployments } from "../../runtime/records/deployments.ts";
import { readMenuOf, type BootPlace } from "../loaders/boot-place.ts";
import { bootDirectory } from "./boot-files.ts";
import { readOtherDeployments, type DeployDisk } from "./deploy-disk.ts";

/**
 * Warns of kept images and boot files that no deployment and no entry of the menu names: a deployments.json was
 * renamed, or lost. They stay, for it may get its name back, and boot files may be those of another disk.
 */
export function warnOfUnclaimed(
  host: Host,
  { disk, store }: DeployDisk,
  place: BootPlace,
  { deployments }: Deployments,
): void {
  const others = readOtherDeployments(disk);
  if (others === undefined) return;
  const claims = [...deployments, ...others];
  const { entries, unreadable } = readMenuOf(host, place);
  if (unreadable.length > 0) return;
  const kept = listKeptImages(disk);
  for (const hex of host.files.namesIn(disk.at(KEPT_IMAGES))) {
    const id = `sha256:${hex}`;
    const { directory, tree } = keptImagePaths(hex);
    const isClaimed =
      claims.some(({ image }) => image.id === id) ||
      entries.some(({ options }) => options.includes(id));
    const isThere = disk.isOverlay || disk.hasSubvolume(tree);
    if (!isImageId(id) || isClaimed || !isThere) continue;
    const { reference = "of an unknown name" } =
      kept.find((image) => image.id === id) ?? {};
    host.log.warn(
      disk.isOverlay
        ? `no deployment has the kept image ${reference}: if nobody needs it, mount ${store.device}, and delete ${directory} there: its layers go with the next boot`
        : `no deployment has the kept image ${reference}: if nobody needs it, mount ${store.device} with -o subvolid=5, delete the subvolume ${tree} there, and then its directory`,
    );
  }
  const parent = bootDirectory("");
  for (const name of host.files.namesIn(path.join(place.top, parent))) {
    const [, digest] = /^([0-9a-f]{64})(?:\.new)?$/.exec(name) ?? [];
    if (digest === undefined) continue;
    const isClaimed =
      claims.some(({ kernel }) => kernel.digest === digest) ||
      entries.some(({ kernel }) => kernel?.includes(digest));
    if (isClaimed) continue;
    host.log.warn(
      `no deployment on this disk has the boot files ${path.join(parent, name)} on ${place.filesystem.device}: if no other disk has them, delete that directory`,
    );
  }
}
