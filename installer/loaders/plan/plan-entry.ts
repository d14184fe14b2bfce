import { BootError } from "../../../runtime/base/errors.ts";
import { isSameOrBelow } from "../../../runtime/base/is-below.ts";
import { USUAL_RWLAYER } from "../formats/is-for-dockroot.ts";
import { type Entry, kernelPath } from "../formats/entry.ts";
import type { BootFacts, FoundKernel, FoundLoader } from "./entry-facts.ts";
import { LOADER_TITLES, type LoaderName } from "../formats/boot-entry.ts";
import { planOptions } from "./plan-options.ts";
import { whyUnreadable } from "../formats/readable.ts";

/** An entry, where it goes, and what was guessed on the way. */
export interface EntryPlan {
  readonly entry: Entry;
  /** Where the loader looks for entries, absolute; `undefined` where that is not known. */
  readonly target: string | undefined;
  readonly notes: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * The entry for this machine, and for the loader that is given, else the one that is there.
 * @param searchedLoaders where loaders were looked for, for people
 * @throws BootError KERNEL_MISSING, ENTRY_UNSUITABLE
 */
export function planEntry(
  facts: BootFacts,
  given: LoaderName | undefined,
  searchedLoaders: string,
): EntryPlan {
  refuseNested(facts);
  const { loader, found, why } = chooseLoader(facts, given, searchedLoaders);
  const kernel = chooseKernel(facts, loader);
  const { options, notes, comments } = planOptions(facts);
  const isOnLoadersFilesystem =
    found?.filesystemUuid !== undefined &&
    found.filesystemUuid === kernel.filesystem.uuid;
  const entry: Entry = {
    ...{ loader, kernel, options, comments, isOnLoadersFilesystem },
    title: facts.image === undefined ? "dockroot" : `dockroot: ${facts.image}`,
  };
  return {
    entry,
    target: findTarget(entry, found),
    notes: [...why, ...describeChoice(facts, entry), ...notes],
    warnings: [
      ...(found?.warnings ?? []),
      ...warnOfRwlayer(facts),
      ...warnOfKernel(facts, entry),
      ...warnOfDriver(facts, entry, found),
    ],
  };
}

function refuseNested({ storePath, bootedRwlayer }: BootFacts): void {
  const rwlayer = bootedRwlayer ?? USUAL_RWLAYER;
  if (!isSameOrBelow(storePath, rwlayer)) return;
  throw new BootError(
    "ENTRY_UNSUITABLE",
    `the image store is in ${rwlayer}, which is new at every start`,
    {
      hint: "Move it to a subvolume of its own, beside the rwlayer, and mount that at /var/lib/docker.",
    },
  );
}

function chooseLoader(
  { loaders }: BootFacts,
  given: LoaderName | undefined,
  searched: string,
): {
  loader: LoaderName;
  found: FoundLoader | undefined;
  why: readonly string[];
} {
  if (given !== undefined) {
    const found = loaders.find(({ name }) => name === given);
    return { loader: given, found, why: [] };
  }
  const [found, ...others] = loaders;
  if (found === undefined) {
    return {
      ...{ loader: "refind", found },
      why: [
        `no boot loader was found, so this is an entry for rEFInd (--loader chooses); looked for ${searched}`,
      ],
    };
  }
  const besides = others.map(({ file }) => file).join(", ");
  return {
    ...{ loader: found.name, found },
    why: [
      `for ${LOADER_TITLES[found.name]}, by ${found.file}${
        besides === "" ? "" : `; there is ${besides}, too (--loader chooses)`
      }`,
    ],
  };
}

/** @throws BootError KERNEL_MISSING */
function chooseKernel(
  { kernels, bareKernels, searched }: BootFacts,
  loader: LoaderName,
): FoundKernel {
  const reasons = new Set<string>();
  const readable = kernels.filter((kernel) => {
    const why = whyUnreadable(loader, kernel);
    if (why !== undefined) reasons.add(why);
    return why === undefined;
  });
  const [best] = readable.toSorted(compareKernels);
  if (best !== undefined) return best;
  if (reasons.size > 0) {
    throw new BootError(
      "KERNEL_MISSING",
      `${LOADER_TITLES[loader]} cannot read any of the kernels that are here`,
      {
        cause: new Error([...reasons].join("; ")),
        hint:
          loader === "grub" || loader === "refind"
            ? "Copy kernel and initramfs to the EFI system partition, into a directory of their own, or choose another boot loader with --loader."
            : "Mount the EFI system partition, copy kernel and initramfs into a directory of it, such as dockroot, or choose another boot loader with --loader.",
      },
    );
  }
  throw new BootError(
    "KERNEL_MISSING",
    bareKernels.length > 0
      ? `no kernel has an initramfs beside it: ${bareKernels.join(", ")}`
      : "no kernel is to be found",
    {
      cause: new Error(`looked in ${searched.join(", ")}`),
      hint: "Make both from the image, and put them where the boot loader reads them, such as boot_docker on the top level of the btrfs: vmlinuz and initrd.img, or vmlinuz-linux and initramfs-linux.img. Mount the partition if they are there already.",
    },
  );
}

/** dracut's image for rescue is of a former day, and dockroot is not in it. */
const RESCUE = /^vmlinuz-0-rescue-/;

/** What fits the image, then what is not the running system's own, then the newest. */
function compareKernels(a: FoundKernel, b: FoundKernel): number {
  const rank = ({ hasModules, isSystems }: FoundKernel) =>
    (hasModules === true ? 0 : hasModules === undefined ? 2 : 4) +
    Number(isSystems);
  return (
    Number(RESCUE.test(a.kernel)) - Number(RESCUE.test(b.kernel)) ||
    rank(a) - rank(b) ||
    (b.version ?? "").localeCompare(a.version ?? "", "en", { numeric: true }) ||
    (a.kernel < b.kernel ? -1 : 1)
  );
}

function describeChoice({ kernels }: BootFacts, entry: Entry): string[] {
  const { filesystem, version } = entry.kernel;
  const others = kernels.filter((kernel) => kernel !== entry.kernel).length;
  return [
    `the kernel is ${kernelPath(entry)} on ${filesystem.device}${
      version === undefined ? "" : `, version ${version}`
    }${others === 0 ? "" : `; ${String(others)} more ${others === 1 ? "is" : "are"} here`}`,
  ];
}

function warnOfRwlayer({
  bootedRwlayer,
  isRwlayerForeign,
  store,
}: BootFacts): string[] {
  const rwlayer = bootedRwlayer ?? USUAL_RWLAYER;
  return isRwlayerForeign
    ? [
        `${rwlayer} is on ${store.device} already, and dockroot did not make it: it will not be replaced; rename it, or name another in rootflags=subvol=`,
      ]
    : [];
}

function warnOfKernel({ image }: BootFacts, { kernel }: Entry): string[] {
  const { hasModules, version, isSystems, filesystem } = kernel;
  return [
    ...(hasModules === false
      ? [
          `the image${image === undefined ? "" : ` ${image}`} has no modules for the kernel ${version ?? ""}: take kernel and initramfs from the image`,
        ]
      : []),
    ...(isSystems && hasModules !== true
      ? [
          "this kernel is the running system's: it boots the image only if the image has its modules, and its initramfs has dockroot",
        ]
      : []),
    ...(filesystem.isMapped
      ? [
          `the kernel is on ${filesystem.device}, which the boot loader must be able to open (LUKS, LVM)`,
        ]
      : []),
  ];
}

function warnOfDriver(
  { store, hasDefaultSubvolume }: BootFacts,
  { loader, kernel, isOnLoadersFilesystem }: Entry,
  found: FoundLoader | undefined,
): string[] {
  if (loader !== "refind" || isOnLoadersFilesystem) return [];
  const { type, uuid } = kernel.filesystem;
  const driver = type.startsWith("ext") ? "ext4" : type;
  return [
    ...(found !== undefined &&
    type !== "vfat" &&
    !found.drivers.includes(driver)
      ? [
          `rEFInd has no driver for ${type} beside ${found.file}: install ${driver}_x64.efi into drivers_x64 there`,
        ]
      : []),
    ...(hasDefaultSubvolume && uuid === store.uuid
      ? [
          `rEFInd reads from the default subvolume of ${store.device}, which is not the top level: btrfs subvolume set-default 5 MOUNTPOINT makes it that`,
        ]
      : []),
  ];
}

function findTarget(
  { loader, kernel }: Entry,
  found: FoundLoader | undefined,
): string | undefined {
  switch (loader) {
    case "refind":
    case "limine":
      return found?.file;
    case "grub":
      // grub.cfg itself is made anew by each grub-mkconfig, and a file in /etc/grub.d would wait for it.
      return found?.file.replace(/grub\.cfg$/, "custom.cfg");
    case "systemd-boot":
      return kernel.mountPoint === undefined
        ? undefined
        : `${kernel.mountPoint}/loader/entries/dockroot.conf`;
    case "efistub":
      return undefined;
  }
}
