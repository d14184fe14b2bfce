import { BootError } from "../../runtime/base/errors.ts";
import { isSameOrBelow } from "../../runtime/base/is-below.ts";
import { readMounts } from "../../runtime/disk/mounts.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { CmdlineOption } from "../../runtime/options/cmdline.ts";
import { readBootTarget } from "../system/boot-target.ts";
import { probeFilesystem } from "../system/filesystem.ts";
import { locate } from "../system/formats/fstab.ts";
import { nameFilesystem, topLayerOptions } from "./plan/plan-options.ts";

/**
 * The kernel options that name a directory as the top layer.
 * @param directory absolute
 * @throws BootError TOPLAYER_MISSING, TOPLAYER_UNSUITABLE, ENTRY_UNSUITABLE; HelperError
 */
export async function nameTopLayer(
  host: Host,
  directory: string,
): Promise<readonly CmdlineOption[]> {
  if (host.files.statusOfTarget(directory)?.kind !== "directory") {
    throw new BootError(
      "TOPLAYER_MISSING",
      `the top layer ${directory} is not a directory`,
      { hint: "Make it: dockroot toplayer init DIR." },
    );
  }
  const location = locate(readMounts(host), host.files.realPath(directory));
  if (location?.mount.source.startsWith("/dev/") !== true) {
    throw new BootError(
      "TOPLAYER_UNSUITABLE",
      `${directory} is on no disk that a boot could mount`,
      { hint: "Copy it to the filesystem of the image store (cp -a)." },
    );
  }
  const { rwlayer } = readBootTarget(host);
  const { mount, path } = location;
  if (
    rwlayer !== undefined &&
    mount.fsType === "btrfs" &&
    isSameOrBelow(path, rwlayer)
  ) {
    throw new BootError(
      "TOPLAYER_UNSUITABLE",
      `${directory} is in the root of this boot, which the next one replaces`,
      { hint: "Move it to the top level of the filesystem." },
    );
  }
  const filesystem = await probeFilesystem(host, mount.source);
  return topLayerOptions(nameFilesystem(filesystem), `/${path}`);
}
