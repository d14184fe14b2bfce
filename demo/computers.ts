import { join } from "node:path";
import type { MachineKind } from "../fixtures/machine-kinds.ts";
import {
  OVERLAY_ENGINES,
  OVERLAY_FILESYSTEMS,
} from "../fixtures/overlay-machine.ts";

const STORES = ["btrfs", ...OVERLAY_ENGINES] as const;
type Store = (typeof STORES)[number];
type FsType = (typeof OVERLAY_FILESYSTEMS)[number];

export const LOADER_TITLES = { refind: "rEFInd", grub: "GRUB" } as const;

/** A computer of the demo, by its image store and the filesystem of its disk. */
export interface Computer {
  readonly store: Store;
  readonly fsType: FsType;
  readonly kind: MachineKind;
  readonly loader: keyof typeof LOADER_TITLES;
  readonly cmdline: string;
  readonly workDir: string;
  /** What the machine writes. */
  readonly disk: string;
  readonly esp: string;
  /** What make is given to choose it, with a space before. */
  readonly again: string;
}

/**
 * @param store `btrfs` is Docker's storage driver of that name; default: what is usual on the filesystem
 * @param fs default: what is usual for the store
 * @throws Error where it is not one of those that there are
 */
export function chooseComputer(
  store: string | undefined,
  fs: string | undefined,
): Computer {
  const givenStore = oneOf(STORES, "STORE", store);
  const givenFs = oneOf(OVERLAY_FILESYSTEMS, "FS", fs);
  const chosenStore =
    givenStore ?? ((givenFs ?? "btrfs") === "btrfs" ? "btrfs" : "overlay2");
  const fsType = givenFs ?? (chosenStore === "btrfs" ? "btrfs" : "ext4");
  if (chosenStore === "btrfs" && fsType !== "btrfs") {
    throw new Error("Docker's storage driver btrfs needs FS=btrfs");
  }
  const isUsual = chosenStore === "btrfs";
  const name = `${chosenStore}-${fsType}`;
  const workDir = join(import.meta.dirname, "../.cache/demo", name);
  return {
    ...{ store: chosenStore, fsType, workDir },
    kind: isUsual ? "two-kernels" : `two-kernels-${chosenStore}-${fsType}`,
    // rEFInd has no driver for xfs.
    loader: fsType === "xfs" ? "grub" : "refind",
    cmdline: describeOptions(isUsual),
    disk: join(workDir, "disk.qcow2"),
    esp: join(workDir, "esp.img"),
    again: isUsual ? "" : ` STORE=${chosenStore} FS=${fsType}`,
  };
}

/** The tutorial's options, and a console that can be read here. */
function describeOptions(hasSubvolumes: boolean): string {
  return [
    "root=LABEL=linux",
    ...(hasSubvolumes ? ["rootflags=subvol=docker_rwlayer"] : []),
    "rw docker_path=docker",
    "toplayer=LABEL=linux toplayer_path=boot_docker console=ttyS0",
  ].join(" ");
}

function oneOf<T extends string>(
  known: readonly T[],
  name: string,
  given: string | undefined,
): T | undefined {
  if (given === undefined) return undefined;
  const found = known.find((each) => each === given);
  if (found !== undefined) return found;
  throw new Error(`${name}=${given} is not one of ${known.join(", ")}`);
}
