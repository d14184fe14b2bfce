import type {
  Deployment,
  Deployments,
} from "../../runtime/records/deployments.ts";
import type { BootPlace } from "../loaders/boot-place.ts";
import { missingBytes, noRoom } from "./boot-files.ts";
import { readOtherDeployments, type DeployDisk } from "./deploy-disk.ts";
import type { Target } from "./find-target.ts";
import { refuseNoRoom } from "./kept-images.ts";
import { inMenu, listRemovable } from "./plan/deployments.ts";

/**
 * @returns which deployments go to make room on $BOOT
 * @throws BootError NO_ROOM where that is not enough, or the disk with the images has none
 */
export function chooseForRoom(
  { disk, store, running }: DeployDisk,
  place: BootPlace,
  state: Deployments,
  { image, boot }: Pick<Target, "boot" | "image">,
): readonly Deployment[] {
  refuseNoRoom(disk, image);
  // What an overlay shows is another filesystem for cp.
  const isShared = place.filesystem.uuid === store.uuid && !disk.isOverlay;
  let missing = missingBytes(disk.host, place, boot, isShared);
  if (missing <= 0) return [];
  const others = readOtherDeployments(disk);
  const gone: Deployment[] = [];
  for (const deployment of others ? listRemovable(state, running) : []) {
    if (missing <= 0) break;
    gone.push(deployment);
    const own = inMenu(state).filter((each) => !gone.includes(each));
    const left = [...own, ...(others ?? [])];
    const { digest, bytes } = deployment.kernel;
    if (!left.some(({ kernel }) => kernel.digest === digest)) missing -= bytes;
  }
  if (missing > 0) throw noRoom(place, boot, missing);
  return gone;
}
