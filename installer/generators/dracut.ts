import type { Host } from "../../runtime/host/host.ts";
import { buildPerKernel, type Generator, systemdUnits } from "./generator.ts";
import { findSetting, FOR_ONE_MACHINE, listDropIns } from "./host-only.ts";
import { findEntries } from "../loaders/find-loaders.ts";
import { pathOnVolume } from "../loaders/formats/boot-loader.ts";
import {
  BOOT_DIRECTORIES,
  initramfsNames,
} from "../system/formats/kernel-files.ts";
import { hasFile } from "../system/has-file.ts";
import {
  findKernelInstallDirectories,
  type KernelInstallDirectory,
} from "../system/kernels.ts";

const DEBIAN_CALLER = "/etc/kernel/postinst.d/dracut";

/** kernel-install's. Debian's package has it too, where something else makes the initramfs. */
const PLUGIN = "/usr/lib/kernel/install.d/50-dracut.install";
const CONFIG = "/etc/dracut.conf";
const DROP_INS = ["/etc/dracut.conf.d", "/usr/lib/dracut/dracut.conf.d"];
const OTHER_CALLER = "/etc/kernel/postinst.d/initramfs-tools";

const FLAGS = {
  any: ["--no-hostonly"],
  configured: [],
  // The root that it finds is where the image is built: no option is to name that one.
  machine: ["--hostonly", "--no-hostonly-cmdline"],
};

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
    const found = findSetting(host, configFiles(host), "hostonly");
    return Promise.resolve(
      found?.value === "yes"
        ? [
            `${found.file} has hostonly=yes: dockroot builds for any machine here, but an initramfs that dracut builds later, for a new kernel, ${FOR_ONE_MACHINE} write hostonly=no into a file below /etc/dracut.conf.d.`,
          ]
        : [],
    );
  },
  builds: (host, drivers) => {
    const flags = FLAGS[drivers];
    const places = findPlaces(host);
    return buildPerKernel(
      host,
      (kernelVersion) => imagePath(host, places, kernelVersion),
      ({ builtAt, kernelVersion }) => ({
        argv: ["dracut", "--force", ...flags, builtAt, kernelVersion],
      }),
    );
  },
  listCommand: (image) => ["lsinitrd", image],
  hooksInImage: systemdUnits.map(({ path }) => path.slice(1)),
};

function configFiles(host: Host): string[] {
  const isRead = (name: string) => name.endsWith(".conf");
  return [CONFIG, ...listDropIns(host, DROP_INS, isRead)];
}

/** What says where the images of a system are. */
interface ImagePlaces {
  /** Whether a boot menu names the file. */
  readonly isBooted: (file: string) => boolean;
  readonly kernelInstall: readonly KernelInstallDirectory[];
  /** The configuration's `initrdname`. */
  readonly name: string | undefined;
}

function findPlaces(host: Host): ImagePlaces {
  const realPath = (file: string) => host.files.realPath(host.path(file));
  const named = findEntries(host)
    .entries.flatMap(({ initrds }) => initrds)
    .map(pathOnVolume);
  const seen = named
    .flatMap((file) => ["", ...BOOT_DIRECTORIES].map((root) => root + file))
    .filter((file) => hasFile(host, file))
    .map(realPath);
  return {
    // A menu names it from the top level, where the root may be a subvolume.
    isBooted: (file) =>
      seen.includes(realPath(file)) ||
      named.some((other) => other.endsWith(file)),
    kernelInstall: findKernelInstallDirectories(host),
    name: findSetting(host, configFiles(host), "initrdname")?.value,
  };
}

/**
 * The image that a boot menu names, else one that is there, else where dracut(8) would put it. Only
 * Debian's dracut is called with a name of its own.
 */
function imagePath(
  host: Host,
  { isBooted, kernelInstall, name }: ImagePlaces,
  kernelVersion: string,
): string {
  const inDirectories = kernelInstall
    .filter(({ version }) => version === kernelVersion)
    .map(({ directory }) => `${directory}/initrd`);
  const named = name && `/boot/${name.replaceAll("${kernel}", kernelVersion)}`;
  const own = initramfsNames(`-${kernelVersion}`).map(
    (file) => `/boot/${file}`,
  );
  const known = [
    ...inDirectories,
    ...(named === undefined ? [] : [named]),
    ...own,
    `/lib/modules/${kernelVersion}/initrd`,
  ];
  const present = known.filter((file) => hasFile(host, file));
  const [first = named] = [...present, ...inDirectories];
  const usual = hasFile(host, "/etc/debian_version")
    ? `/boot/initrd.img-${kernelVersion}`
    : `/boot/initramfs-${kernelVersion}.img`;
  return present.find(isBooted) ?? first ?? usual;
}
