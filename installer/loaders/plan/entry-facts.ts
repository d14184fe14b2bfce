import type { Filesystem } from "../../system/filesystem.ts";
import type { CmdlineOption } from "../../../runtime/options/cmdline.ts";
import type { StoreKind } from "../../../runtime/options/store-kinds.ts";
import type { Home } from "../../engines/engine-configs.ts";
import type { LoaderName } from "../formats/menu-entry.ts";

/** A kernel, with what is loaded with it. */
export interface FoundKernel {
  readonly filesystem: Filesystem;
  /** Where the running system has the filesystem mounted, if it has. */
  readonly mountPoint: string | undefined;
  /** The directory of all of them, from the filesystem's top level, without a slash before it. */
  readonly directory: string;
  readonly kernel: string;
  readonly initramfs: string;
  readonly microcode: readonly string[];
  /** `undefined` where neither the file nor its name tells. */
  readonly version: string | undefined;
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
  /** The image that was asked for. */
  readonly image: string | undefined;
  readonly kernels: readonly FoundKernel[];
  /** Kernels that have no initramfs beside them. */
  readonly bareKernels: readonly string[];
  readonly loaders: readonly FoundLoader[];
  /** Where kernels were looked for, for people. */
  readonly searched: readonly string[];
}
