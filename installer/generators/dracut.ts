import type { Host } from "../../runtime/host/host.ts";
import { buildPerKernel, type Generator, systemdUnits } from "./generator.ts";
import { findSetting, FOR_ONE_MACHINE, listDropIns } from "./host-only.ts";
import { hasFile } from "../system/has-file.ts";

const DEBIAN_CALLER = "/etc/kernel/postinst.d/dracut";

/** kernel-install's. Debian's package has it too, where something else makes the initramfs. */
const PLUGIN = "/usr/lib/kernel/install.d/50-dracut.install";
const CONFIG = "/etc/dracut.conf";
const DROP_INS = ["/etc/dracut.conf.d", "/usr/lib/dracut/dracut.conf.d"];
const OTHER_CALLER = "/etc/kernel/postinst.d/initramfs-tools";

/** dracut(8) in its systemd mode. A module that lies there is taken: there is nothing to enable. */
export const dracut: Generator = {
  name: "dracut",
  isPresent: (host) => hasFile(host, "/usr/bin/dracut"),
  isInCharge: (host) =>
    hasFile(host, DEBIAN_CALLER) ||
    (hasFile(host, PLUGIN) && !hasFile(host, OTHER_CALLER)),
  files: [
    {
      path: "/usr/lib/dracut/modules.d/90dockroot/module-setup.sh",
      asset: "dracut/module-setup.sh",
      mode: 0o755,
    },
    {
      path: "/usr/lib/dracut/modules.d/90dockroot/emergency.sh",
      asset: "dracut/emergency.sh",
      mode: 0o755,
    },
    ...systemdUnits,
  ],
  enable: () => Promise.resolve([]),
  disable: () => Promise.resolve([]),
  describeHostOnly: (host) => {
    const dropIns = listDropIns(host, DROP_INS, (name) =>
      name.endsWith(".conf"),
    );
    const found = findSetting(host, [CONFIG, ...dropIns], "hostonly");
    return Promise.resolve(
      found?.value === "yes"
        ? [
            `${found.file} has hostonly=yes: dockroot builds for any machine here, but an initramfs that dracut builds later, for a new kernel, ${FOR_ONE_MACHINE} write hostonly=no into a file below /etc/dracut.conf.d.`,
          ]
        : [],
    );
  },
  builds: (host, forAnyMachine) => {
    const flags = forAnyMachine ? ["--no-hostonly"] : [];
    return buildPerKernel(
      host,
      (kernelVersion) => imagePath(host, kernelVersion),
      ({ builtAt, kernelVersion }) => ({
        argv: ["dracut", "--force", ...flags, builtAt, kernelVersion],
      }),
    );
  },
  listCommand: (image) => ["lsinitrd", image],
  hooksInImage: systemdUnits.map(({ path }) => path.slice(1)),
};

/** Debian's name, and that of the others; the one that is there goes first. */
function imagePath(host: Host, kernelVersion: string): string {
  const debian = `/boot/initrd.img-${kernelVersion}`;
  const other = `/boot/initramfs-${kernelVersion}.img`;
  if (hasFile(host, debian)) return debian;
  if (hasFile(host, other)) return other;
  return hasFile(host, "/etc/debian_version") ? debian : other;
}
