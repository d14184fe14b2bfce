import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { lastValues, parseCmdline } from "../../runtime/options/cmdline.ts";
import type { Deployments } from "../../runtime/records/deployments.ts";
import type { BootPlace } from "../loaders/boot-place.ts";
import { readDeploymentMenu } from "../loaders/deployment-menu.ts";
import { withRestart } from "./settle.ts";
import { findDevice } from "../system/find-device.ts";
import type { DeployDisk } from "./deploy-disk.ts";

/**
 * Another disk with a rwlayer of the same name has its entries where ours would be. Those of a deployments.json that
 * was lost are ours.
 * @throws BootError FILE_FOREIGN where the menu has deployments that are not on this disk
 */
export async function refuseOtherDisk(
  host: Host,
  { disk: { paths }, store }: DeployDisk,
  place: BootPlace,
  { deployments }: Deployments,
): Promise<void> {
  const menu = readDeploymentMenu(host, place, paths.rwlayer);
  for (const { title, options } of menu.entries) {
    const isOwn = deployments.some((each) =>
      [each.options, withRestart(each.options)].includes(options),
    );
    if (isOwn) continue;
    const root = lastValues(parseCmdline(options)).get("root") ?? "";
    if ((await findDevice(host, root))?.uuid === store.uuid) continue;
    throw new BootError(
      "FILE_FOREIGN",
      `the menu of ${place.loader.title} has a deployment of ${paths.rwlayer} that is not on this disk: "${title}", root=${root}`,
      {
        hint: "Nothing is changed. If nobody boots that entry, remove it from the menu.",
      },
    );
  }
}

/** Boot files of one place cannot be named by a menu of another. @throws BootError LOADER_MISSING */
export function refuseOtherPlace(
  { filesystem, loader: found }: BootPlace,
  { bootFilesystem, loader }: Deployments,
): void {
  if (bootFilesystem === null || bootFilesystem === filesystem.uuid) return;
  throw new BootError(
    "LOADER_MISSING",
    `the deployments' boot files are on the filesystem ${bootFilesystem}, for ${loader ?? "another boot loader"}, and ${found.title} reads ${filesystem.device}`,
    {
      hint:
        loader === found.name
          ? "Nothing is changed. See why the boot loader does not read that filesystem here: is the disk there, and the boot loader's driver?"
          : `Nothing is changed. Name the boot loader that has them: dockroot upgrade --loader ${loader ?? "NAME"}.`,
    },
  );
}
