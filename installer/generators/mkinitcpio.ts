import {
  type Build,
  type Generator,
  type HookFile,
  systemdUnits,
} from "./generator.ts";
import { describeAutodetect } from "./mkinitcpio/autodetect.ts";
import { hasFile } from "../system/has-file.ts";
import { disableHook, enableHook } from "./mkinitcpio/edit-hooks.ts";
import { readConfig, readConfigurations } from "./mkinitcpio/configurations.ts";
import { readPresets, readPresetVersion } from "./mkinitcpio/read-presets.ts";

const files: readonly HookFile[] = [
  ...["install", "hooks"].map((kind) => ({
    path: `/usr/lib/initcpio/${kind}/dockroot`,
    asset: `mkinitcpio/${kind}/dockroot`,
    mode: 0o644,
  })),
  {
    path: "/usr/lib/initcpio/dockroot/functions",
    asset: "dockroot-functions",
    mode: 0o644,
  },
  {
    path: "/usr/lib/initcpio/dockroot/emergency.conf",
    asset: "mkinitcpio/emergency.conf",
    mode: 0o644,
  },
  {
    // Here mkinitcpio looks first: files of the former package may stand below /usr.
    path: "/etc/initcpio/install/docker-btrfs",
    asset: "mkinitcpio/install/docker-btrfs",
    mode: 0o644,
  },
  ...systemdUnits,
];

/**
 * Arch Linux's mkinitcpio. Its images start with an init of their own, a script for busybox, or with
 * systemd, as HOOKS tells; dockroot's hook is for both.
 */
export const mkinitcpio: Generator = {
  name: "mkinitcpio",
  files,
  isPresent: (host) => hasFile(host, "/usr/bin/mkinitcpio"),
  isInCharge: (host) =>
    hasFile(host, "/usr/share/libalpm/hooks/90-mkinitcpio-install.hook"),
  enable: async (host) => enableHook(await readConfigurations(host)),
  disable: async (host) =>
    disableHook(
      await readConfigurations(host, readConfig),
      hasFile(host, "/usr/lib/initcpio/install/docker-btrfs"),
    ),
  describeHostOnly: describeAutodetect,
  builds: async (host) => {
    const builds: Build[] = [];
    for (const { name, images } of await readPresets(host)) {
      if (images.length === 0) continue;
      const made: Build["images"][number][] = [];
      for (const { kernel, files } of images) {
        const kernelVersion = await readPresetVersion(host, name, kernel);
        made.push(
          ...files.map((path) => ({
            path,
            builtAt: path,
            kernelVersion,
            leftover: [`${path}.tmp`],
          })),
        );
      }
      builds.push({ argv: ["mkinitcpio", "-p", name], images: made });
    }
    return builds;
  },
  listCommand: (image) => ["lsinitcpio", "-l", "-v", image],
  hooksInImage: [
    "hooks/dockroot",
    "usr/lib/dockroot/functions",
    ...systemdUnits.map(({ path }) => path.slice(1)),
    "usr/lib/systemd/system/initrd.target.wants/dockroot-finish.service",
    "etc/systemd/system/emergency.service.d/dockroot.conf",
  ],
};
