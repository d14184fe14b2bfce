import type { KernelFiles } from "../../system/kernels.ts";
import path from "node:path";
import { quote } from "../../../runtime/base/quote.ts";
import { BootError } from "../../../runtime/base/errors.ts";
import { isSameOrBelow } from "../../../runtime/base/is-below.ts";
import {
  type BootLoader,
  formatCmdline,
  type LoaderName,
  type NewEntry,
  USUAL_RWLAYER,
} from "../formats/boot-loader.ts";
import { BOOT_LOADERS, describeSearch } from "../formats/boot-loaders.ts";
import { compareVersions } from "../../system/formats/kernel-files.ts";
import { planOptions } from "./plan-options.ts";
import type { Filesystem } from "../../system/filesystem.ts";
import type { CmdlineOption } from "../../../runtime/options/cmdline.ts";
import type { StoreKind } from "../../../runtime/options/table.ts";
import type { Home } from "../../engines/formats/engine-configs.ts";

/** A kernel that can be booted, with what is loaded with it. */
export interface FoundKernel extends KernelFiles {
  /** From the filesystem's top level, without a slash before it. */
  readonly directory: string;
  readonly initramfs: string;
  /** Whether the initramfs ends before its end. */
  readonly isCutShort: boolean;
  readonly filesystem: Filesystem;
  /** Where the running system has the filesystem mounted, if it has. */
  readonly mountPoint: string | undefined;
  /** Whether the image has its modules; `undefined` where the image is not known. */
  readonly hasModules: boolean | undefined;
  /** Whether it is in the running system's /boot. */
  readonly isSystems: boolean;
}

/** A boot loader that is there. */
export interface FoundLoader {
  readonly name: LoaderName;
  /** The file by which it was found, absolute. */
  readonly file: string;
  /** The UUID of the filesystem that the file is on. */
  readonly filesystemUuid: string | undefined;
  /** What is wrong with its configuration. */
  readonly warnings: readonly string[];
  /** Of which filesystems it can read besides FAT, where a driver for each is needed. */
  readonly drivers: readonly string[];
}

/** What an entry is made of. Paths are relative to the filesystem's top level. */
export interface NewEntryFacts {
  readonly store: Filesystem;
  /** Its default subvolume is another than the top level. */
  readonly hasDefaultSubvolume: boolean;
  readonly storePath: string;
  /** Whether roots of its images are overlays, not subvolumes. */
  readonly isOverlay: boolean;
  readonly storeHome: Home;
  /** Which of the stores there counts, as it was asked for. */
  readonly storeKind: StoreKind | undefined;
  /** This boot's kernel options. */
  readonly cmdline: readonly CmdlineOption[];
  /** The rwlayer of this boot, where dockroot made it and its kernel options are to be kept. */
  readonly bootedRwlayer: string | undefined;
  /** Something has the name of the rwlayer, and dockroot did not make it. */
  readonly isRwlayerForeign: boolean;
  /** The directory for a top layer that stands there. */
  readonly topLayerDirectory: string | undefined;
  /** The kernel options of the top layer that was asked for. */
  readonly topLayer: readonly CmdlineOption[] | undefined;
  /** The image that was asked for. */
  readonly image: string | undefined;
  readonly kernels: readonly FoundKernel[];
  /** Kernels that have no initramfs beside them. */
  readonly bareKernels: readonly string[];
  /** Kernel and initramfs of the image, from the top level. */
  readonly imageFiles: readonly string[];
  /** Where an EFI system partition is mounted. */
  readonly espMountPoint: string | undefined;
  /** Boot directories in the root of this boot, which the next boot replaces. */
  readonly replaced: readonly string[];
  readonly loaders: readonly FoundLoader[];
  /** Where kernels were looked for, for people. */
  readonly searched: readonly string[];
}

/** An entry, where it goes, and what was guessed on the way. */
export interface EntryPlan {
  readonly loader: BootLoader;
  readonly entry: NewEntry;
  /** Where the loader looks for entries, absolute; `undefined` where that is not known. */
  readonly target: string | undefined;
  readonly notes: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * The entry for this machine, and for the loader that is given, else the one that is there.
 * @throws BootError KERNEL_MISSING, ENTRY_UNSUITABLE
 */
export function planEntry(
  facts: NewEntryFacts,
  given: LoaderName | undefined,
): EntryPlan {
  refuseNested(facts);
  const { loader, found, why } = chooseLoader(facts, given);
  const kernel = chooseKernel(facts, loader);
  const { filesystem, version } = kernel;
  const { options, notes, comments } = planOptions(facts);
  const nameOf = (file: string) => path.join("/", kernel.directory, file);
  const entry: NewEntry = {
    title: facts.image === undefined ? "dockroot" : `dockroot: ${facts.image}`,
    kernel: nameOf(kernel.kernel),
    initrds: [...kernel.microcode, kernel.initramfs].map(nameOf),
    options: formatCmdline(options),
    filesystem,
    isOnLoadersFilesystem:
      found?.filesystemUuid !== undefined &&
      found.filesystemUuid === filesystem.uuid,
    version,
    comments,
    id: "dockroot",
  };
  return {
    loader,
    entry,
    target: loader.findTarget(found?.file, kernel),
    notes: [...why, describeKernel(entry, facts.kernels.length - 1), ...notes],
    warnings: [
      ...(found?.warnings ?? []),
      ...warnOfRwlayer(facts),
      ...warnOfKernel(facts, kernel),
      ...(loader.name === "refind" ? warnOfDriver(facts, entry, found) : []),
    ],
  };
}

function refuseNested({ storePath, bootedRwlayer }: NewEntryFacts): void {
  const rwlayer = bootedRwlayer ?? USUAL_RWLAYER;
  if (!isSameOrBelow(storePath, rwlayer)) return;
  throw new BootError(
    "ENTRY_UNSUITABLE",
    `the image store is in ${rwlayer}, which every boot makes anew`,
    {
      hint: "Move it to a subvolume or a directory of its own, beside the rwlayer, and mount that at /var/lib/docker.",
    },
  );
}

interface LoaderChoice {
  readonly loader: BootLoader;
  readonly found: FoundLoader | undefined;
  readonly why: readonly string[];
}

function chooseLoader(
  { loaders }: NewEntryFacts,
  given: LoaderName | undefined,
): LoaderChoice {
  if (given !== undefined) {
    const found = loaders.find(({ name }) => name === given);
    return { loader: BOOT_LOADERS[given], found, why: [] };
  }
  const [found, ...others] = loaders;
  if (found === undefined) {
    const why = `no boot loader was found, so this is an entry for rEFInd (choose another with --loader); looked for ${describeSearch()}`;
    return { loader: BOOT_LOADERS.refind, found, why: [why] };
  }
  const loader = BOOT_LOADERS[found.name];
  const besides =
    others.length === 0
      ? ""
      : `; also found ${others.map(({ file }) => file).join(", ")} (choose with --loader)`;
  return {
    loader,
    found,
    why: [`boot loader: ${loader.title} (found ${found.file}${besides})`],
  };
}

/** @throws BootError KERNEL_MISSING */
function chooseKernel(facts: NewEntryFacts, loader: BootLoader): FoundKernel {
  const { kernels, bareKernels, searched, replaced } = facts;
  const reasons = new Set<string>();
  const readable = kernels.filter((kernel) => {
    const why = loader.whyUnreadable(kernel);
    if (why !== undefined) reasons.add(why);
    return why === undefined;
  });
  const [best] = readable.toSorted(compareKernels);
  if (best !== undefined) return best;
  for (const directory of replaced) {
    reasons.add(
      `${directory} is in the root of this boot, which the next boot replaces`,
    );
  }
  if (bareKernels.length > 0) {
    reasons.add(`there is no initramfs beside ${bareKernels.join(", ")}`);
  }
  throw new BootError(
    "KERNEL_MISSING",
    kernels.length > 0
      ? `${loader.title} cannot read any of the kernels that were found`
      : `no kernel with an initramfs was found in ${searched.join(", ")}`,
    {
      ...(reasons.size > 0 && { cause: new Error([...reasons].join("; ")) }),
      hint: describeCopy(facts, loader),
    },
  );
}

/** How kernel and initramfs come to where the boot loader reads them. */
function describeCopy(
  { kernels, imageFiles, store, espMountPoint }: NewEntryFacts,
  loader: BootLoader,
): string {
  const place = { filesystem: store, mountPoint: undefined };
  const readsStore = loader.whyUnreadable(place) === undefined;
  const directory = readsStore
    ? "/mnt/boot_docker"
    : `${espMountPoint ?? "/efi"}/dockroot`;
  const here = kernels.find(
    ({ filesystem }) => filesystem.device === store.device,
  );
  const found =
    here === undefined
      ? imageFiles
      : [here.kernel, here.initramfs].map((name) =>
          path.join(here.directory, name),
        );
  const files =
    found.length > 0
      ? found.map((file) => quote(`/mnt/${file}`))
      : ["/mnt/IMAGE/boot/vmlinuz", "/mnt/IMAGE/boot/initrd.img"];
  const command = [
    ...(readsStore || espMountPoint !== undefined
      ? []
      : ["mount the EFI system partition at /efi"]),
    `mount ${store.type === "btrfs" ? "-o subvolid=5 " : ""}${store.device} /mnt`,
    `mkdir -p ${directory}`,
    `cp ${files.join(" ")} ${directory}/`,
  ].join("; ");
  if (here !== undefined) {
    return `Copy both to where it reads: ${command}. Or choose another boot loader with --loader.`;
  }
  const build =
    found.length > 0
      ? ""
      : "The image needs an initramfs: run dockroot install in it. ";
  return `${build}Copy both from the image: ${command}`;
}

/** dracut's image for rescue is of a former day, and dockroot is not in it. */
const RESCUE = /^vmlinuz-0-rescue-/;

/** What is whole, then what fits the image, then what is not the running system's own, then the newest. */
function compareKernels(a: FoundKernel, b: FoundKernel): number {
  const rank = ({ hasModules, isSystems }: FoundKernel) =>
    (hasModules === true ? 0 : hasModules === undefined ? 2 : 4) +
    Number(isSystems);
  return (
    Number(a.isCutShort) - Number(b.isCutShort) ||
    Number(RESCUE.test(a.kernel)) - Number(RESCUE.test(b.kernel)) ||
    rank(a) - rank(b) ||
    compareVersions(b.version, a.version) ||
    (a.kernel < b.kernel ? -1 : 1)
  );
}

function describeKernel(
  { kernel, filesystem, version }: NewEntry,
  others: number,
): string {
  const ofVersion = version === undefined ? "" : `, version ${version}`;
  const besides = others === 0 ? "" : `; ${String(others)} more found`;
  return `kernel: ${kernel} on ${filesystem.device}${ofVersion}${besides}`;
}

function warnOfRwlayer({
  bootedRwlayer,
  isRwlayerForeign,
  isOverlay,
  store,
}: NewEntryFacts): string[] {
  const rwlayer = bootedRwlayer ?? USUAL_RWLAYER;
  return isRwlayerForeign
    ? [
        `${rwlayer} exists on ${store.device}, and dockroot did not make it: no boot replaces it. Rename it, or name another in ${isOverlay ? "dockroot.root=" : "rootflags=subvol="}`,
      ]
    : [];
}

function warnOfKernel({ image }: NewEntryFacts, kernel: FoundKernel): string[] {
  const { hasModules, version, isSystems, isCutShort, filesystem } = kernel;
  const { directory, initramfs } = kernel;
  const warnings: string[] = [];
  if (isCutShort) {
    warnings.push(
      `the initramfs ${path.join("/", directory, initramfs)} on ${filesystem.device} is cut short, and no machine boots with it: build or copy it again`,
    );
  }
  if (hasModules === false) {
    warnings.push(
      `the image${image === undefined ? "" : ` ${image}`} has no modules for the kernel ${version ?? ""}: take kernel and initramfs from the image`,
    );
  }
  if (isSystems && hasModules !== true) {
    warnings.push(
      "this kernel is the running system's own: it boots the image only if the image has its modules and its initramfs has dockroot",
    );
  }
  if (filesystem.isMapped) {
    warnings.push(
      `the kernel is on ${filesystem.device}, which the boot loader must be able to open (LUKS, LVM)`,
    );
  }
  return warnings;
}

/** Whether rEFInd can read the kernel's filesystem. */
function warnOfDriver(
  { store, hasDefaultSubvolume }: NewEntryFacts,
  { isOnLoadersFilesystem, filesystem: { type, uuid } }: NewEntry,
  found: FoundLoader | undefined,
): string[] {
  if (isOnLoadersFilesystem) return [];
  const warnings: string[] = [];
  const driver = type.startsWith("ext") ? "ext4" : type;
  if (
    found !== undefined &&
    type !== "vfat" &&
    !found.drivers.includes(driver)
  ) {
    warnings.push(
      `rEFInd has no driver for ${type} beside ${found.file}: install ${driver}_x64.efi into drivers_x64 there`,
    );
  }
  if (hasDefaultSubvolume && uuid === store.uuid) {
    warnings.push(
      `rEFInd reads from the default subvolume of ${store.device}, which is not the top level: run btrfs subvolume set-default 5 MOUNTPOINT`,
    );
  }
  return warnings;
}
