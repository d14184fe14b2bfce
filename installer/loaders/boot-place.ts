import path from "node:path";
import { gatherOptions } from "../../runtime/boot/gather-options.ts";
import { BootError } from "../../runtime/base/errors.ts";
import { summarizeFailure } from "../../runtime/base/failure.ts";
import { followIn, readBytesIn } from "../../runtime/host/follow-in.ts";
import type { Host } from "../../runtime/host/host.ts";
import {
  efiDirectories,
  formatCmdline,
  menuFile,
  type BootLoader,
  type LoaderName,
} from "./formats/boot-loader.ts";
import {
  BOOT_LOADERS,
  CHOICES,
  describeSearch,
} from "./formats/boot-loaders.ts";
import { parseGrub, parseGrubStub, type GrubStub } from "./formats/grub.ts";
import {
  findDrivers,
  firmwareEntries,
  readMenus,
  type FoundEntries,
} from "./find-loaders.ts";
import { readLoaderVariable } from "./efi-variables.ts";
import { findVolume, listVolumes, withVolume } from "./boot-volumes.ts";
import {
  planBootPlace,
  type FoundMenu,
  type Volume,
} from "./plan/plan-boot-place.ts";
import { BOOTS_ON_DISK } from "../system/formats/kernel-files.ts";
import { isDefaultSubvolume, type Filesystem } from "../system/filesystem.ts";
import { holdSignals } from "../system/hold-signals.ts";

/** Where this machine's boot files and its boot loader's menu are, mounted while work runs. */
export interface BootPlace {
  readonly loader: BootLoader;
  /** What the boot files are on. */
  readonly filesystem: Filesystem;
  /** Its top, absolute: boot files go to `<top>/dockroot/<digest>/linux` and `initrd`. */
  readonly top: string;
  /** The top of the filesystem with the loader's configuration, absolute; may equal `top`. */
  readonly menuTop: string;
  /** The filesystem with the loader's configuration. */
  readonly menuFilesystem: Filesystem;
  /** The loader's configuration file, relative to `menuTop`; `""` where it has none. */
  readonly config: string;
}

/** Which boot place is asked for. */
export interface BootPlaceRequest {
  /** The filesystem with the images. */
  readonly store: Filesystem;
  readonly given: LoaderName | undefined;
  /** The UUID of a filesystem that had the menu before: it need be neither mounted nor a boot partition. */
  readonly menuUuid?: string | undefined;
  /** Whether it is to be written to. */
  readonly access: "ro" | "rw";
}

const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

/**
 * Finds the filesystem for boot files and the boot loader's menu, by what partitions are for and by what
 * the boot loader says of itself: never a directory of the running root.
 * @throws BootError LOADER_MISSING, ENTRY_UNSUITABLE, MOUNT_FAILED; HelperError; and what the work
 *   throws
 */
export function withBootPlace<T>(
  host: Host,
  { store, given, menuUuid, access }: BootPlaceRequest,
  work: (place: BootPlace) => Promise<T>,
): Promise<T> {
  return holdSignals(async () => {
    const volume: Volume = {
      filesystem: store,
      mountPoint: undefined,
      role: "store",
      isForeign: false,
    };
    const { unseen, ...found } = await lookAround(host, volume, menuUuid);
    const plan = planBootPlace({
      ...found,
      given,
      store: volume,
      loaderInfo: readLoaderVariable(host, "LoaderInfo"),
      cmdline: formatCmdline(gatherOptions(host).kernel),
    });
    if (plan === undefined) throw missing(given, unseen);
    const { loader, config, files, menu } = plan;
    const { filesystem } = files;
    return withVolume(host, files, "boot-place", access, (top) => {
      const place = {
        ...{ loader: BOOT_LOADERS[loader], filesystem, top, config },
        menuFilesystem: menu.filesystem,
      };
      return menu === files
        ? work({ ...place, menuTop: top })
        : withVolume(host, menu, "boot-menu", access, (menuTop) =>
            work({ ...place, menuTop }),
          );
    });
  });
}

function missing(
  given: LoaderName | undefined,
  unseen: readonly string[],
): BootError {
  const what =
    given === undefined
      ? "boot loader"
      : `menu of ${BOOT_LOADERS[given].title}`;
  const why = [`looked for ${describeSearch()}`, ...unseen].join("; ");
  return new BootError("LOADER_MISSING", `no ${what} was found`, {
    cause: new Error(why),
    hint: "Mount the partition that it is on at /efi or /boot, or name another boot loader with --loader.",
  });
}

interface Surroundings {
  readonly volumes: readonly Volume[];
  readonly menus: readonly FoundMenu[];
  readonly isDefaultTop: boolean;
  /** What could not be looked at, and why. */
  readonly unseen: readonly string[];
}

/** Looks for boot loaders, at each filesystem read-only. */
async function lookAround(
  host: Host,
  store: Volume,
  menuUuid: string | undefined,
): Promise<Surroundings> {
  const former = menuUuid && (await findVolume(host, menuUuid));
  const listed = await listVolumes(host, store.filesystem);
  const others = [former ? [former] : [], listed]
    .flat()
    .filter(
      ({ filesystem: { uuid } }, index, all) =>
        uuid !== store.filesystem.uuid &&
        all.findIndex((other) => other.filesystem.uuid === uuid) === index,
    );
  const volumes = [...others, store];
  const menus: FoundMenu[] = [];
  const named: FoundMenu[] = [];
  const unseen: string[] = [];
  let isDefaultTop = false;
  const look = async (volume: Volume, work: (at: string) => Promise<void>) => {
    try {
      await withVolume(host, volume, "boot-look", "ro", work);
    } catch (error) {
      if (!(error instanceof BootError)) throw error;
      unseen.push(summarizeFailure(error));
    }
  };
  for (const volume of volumes) {
    const stubs: GrubStub[] = [];
    await look(volume, async (at) => {
      const found = findMenus(host, volume, at);
      menus.push(...found.menus);
      stubs.push(...found.stubs);
      if (volume !== store) return;
      const isBtrfs = volume.filesystem.type === "btrfs";
      isDefaultTop = !isBtrfs || (await isDefaultSubvolume(host, at));
    });
    for (const { uuid, directory } of stubs) {
      const other =
        uuid === undefined
          ? volume
          : (volumes.find(({ filesystem }) => filesystem.uuid === uuid) ??
            (await findVolume(host, uuid)));
      if (other === undefined) continue;
      const config = path.join("/", directory, "grub.cfg").slice(1);
      await look(other, (at) => {
        const menu = readMenu(host, other, at, "grub", config);
        const { isForeign } = volume;
        if (menu !== undefined) named.push({ ...menu, isForeign });
        return Promise.resolve();
      });
    }
  }
  return { volumes, menus: [...named, ...menus], isDefaultTop, unseen };
}

interface FoundMenus {
  readonly menus: readonly FoundMenu[];
  readonly stubs: readonly GrubStub[];
}

/** @param at where the volume is mounted */
function findMenus(host: Host, volume: Volume, at: string): FoundMenus {
  const namesIn = host.files.namesIn;
  // Only what is in it shows that a disk without partitions is to boot from.
  const isBare =
    volume.filesystem.partition === undefined &&
    volume.role === "esp" &&
    volume.mountPoint === undefined &&
    !namesIn(at).some((name) => name.toLowerCase() === "efi");
  if (isBare) return { menus: [], stubs: [] };
  const stubs: GrubStub[] = [];
  const whole: string[] = [];
  for (const directory of efiDirectories(at, namesIn)) {
    const config = path.relative(at, `${directory}/grub.cfg`);
    const bytes = readBytesIn(host, at, config, MAX_CONFIG_BYTES);
    if (bytes === undefined) continue;
    const text = bytes.toString("utf8");
    const stub = parseGrubStub(text);
    if (stub !== undefined) stubs.push(stub);
    else if (parseGrub(text).length > 0) whole.push(config);
  }
  const isFat = volume.filesystem.type === "vfat";
  const menus = CHOICES.flatMap(({ name, files }) => {
    // Of an XBOOTLDR partition systemd-boot reads entries alone, and no other than FAT.
    const isRead =
      name === "grub" ||
      (isFat && !(name === "systemd-boot" && volume.role === "xbootldr"));
    if (!isRead) return [];
    const configs =
      name !== "grub"
        ? files
        : [
            ...whole,
            ...BOOTS_ON_DISK.flatMap((boot) =>
              files.map((file) => path.join(boot, file)),
            ),
          ];
    for (const config of configs) {
      const menu = readMenu(host, volume, at, name, config);
      if (menu !== undefined) return [menu];
    }
    return [];
  });
  return { menus, stubs };
}

/** @returns `undefined` where there is no such file on the volume */
function readMenu(
  host: Host,
  volume: Volume,
  at: string,
  loader: LoaderName,
  config: string,
): FoundMenu | undefined {
  const file = followIn(host, at, config);
  if (file === undefined || host.files.statusOf(file)?.kind !== "file") {
    return undefined;
  }
  return {
    loader,
    volume,
    // It may be found by the program itself.
    config:
      loader === "systemd-boot"
        ? "loader/loader.conf"
        : path.relative(at, file),
    isForeign: volume.isForeign,
    options: readEntries(host, loader, at, file).entries.map(
      ({ options }) => options,
    ),
    drivers: loader === "refind" ? findDrivers(host, file) : [],
  };
}

/** All entries of a boot place's menu, of dockroot's and of others, as far as they can be read. */
export function readMenuOf(
  host: Host,
  { loader: { name }, top, menuTop, config }: BootPlace,
): FoundEntries {
  // systemd-boot has its entries beside the kernels.
  const at = name === "systemd-boot" ? top : menuTop;
  return readEntries(host, name, at, path.join(menuTop, config));
}

/**
 * @param at where the volume with the entries is mounted
 * @param file GRUB's configuration
 */
function readEntries(
  host: Host,
  loader: LoaderName,
  at: string,
  file: string,
): FoundEntries {
  const { namesIn } = host.files;
  const files =
    loader === "grub"
      ? ["grub.cfg", "custom.cfg", "dockroot.cfg"].map((name) =>
          menuFile("grub", path.join(path.dirname(file), name), parseGrub),
        )
      : loader === "efistub"
        ? firmwareEntries((name) => namesIn(host.path(name)))
        : BOOT_LOADERS[loader].findMenus(at, namesIn);
  return readMenus(host, files);
}
