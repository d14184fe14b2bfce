import type { ConfigSource } from "../../../runtime/options/config.ts";
import type { BootFailure } from "../../../runtime/base/failure.ts";
import type { Room } from "../../../runtime/host/files.ts";
import type { StoreKind } from "../../../runtime/options/table.ts";
import type { FoundEntry } from "../../loaders/formats/boot-loader.ts";
import type { EngineConfigs, Home } from "../../engines/engine-configs.ts";
import type { HelperStatus } from "../../install/plan/helper-version.ts";
import type { Problem } from "../../toplayer/rules/problem.ts";

/** All that the rules look at. */
export interface DoctorFacts {
  readonly place: SystemPlace;
  readonly config: ConfigFacts;
  readonly menus: MenuFacts;
  /** The boots of an image: this one's, and those of boot entries. Alike ones are one. */
  readonly starts: readonly StartFacts[];
  /** What is looked at where no boot says what. */
  readonly target: TargetFacts | undefined;
  /** Of the system here. */
  readonly engines: EngineConfigs;
  readonly helpers: readonly HelperStatus[];
  readonly bootRooms: readonly BootRoom[];
}

/** Which system this is. */
export type SystemPlace =
  | { readonly kind: "running"; readonly kernelRelease: string }
  /** An image in the making, a container, or a chroot. */
  | { readonly kind: "elsewhere" };

/** The configuration of the system here, which comes into the initramfs that is made here. */
export interface ConfigFacts {
  /** `undefined` where there is none, or none that can be read. */
  readonly source: ConfigSource | undefined;
  readonly failure: BootFailure | undefined;
  readonly warnings: readonly string[];
  /** What it names, as it is written. */
  readonly image: string | undefined;
}

interface MenuFacts {
  /** How many were found, of any kind. */
  readonly entryCount: number;
  readonly unreadable: readonly {
    readonly file: string;
    readonly why: string;
  }[];
  /** Of dockroot's that are in /etc/grub.d, those that no grub.cfg has. */
  readonly notInGrub: readonly FoundEntry[];
}

/** Starts that come to the same. */
export interface StartFacts {
  /** How people call them, this boot first where it is one; at least one. */
  readonly sources: readonly {
    readonly name: string;
    readonly cmdline: string;
  }[];
  readonly isThisStart: boolean;
  readonly entries: readonly EntryFacts[];
  readonly outcome: StartOutcome;
}

/** What a boot with these options would come to, but for what only the boot itself does. */
export type StartOutcome =
  | { readonly kind: "failed"; readonly failure: BootFailure }
  /** The options lack what only the configuration in the initramfs can say. */
  | { readonly kind: "incomplete"; readonly failure: BootFailure }
  /** They are valid; the disk was not looked at. */
  | { readonly kind: "read" }
  /** A former root. */
  | { readonly kind: "generation"; readonly warnings: readonly string[] }
  | ({ readonly kind: "planned" } & PlannedFacts);

export interface PlannedFacts {
  readonly warnings: readonly string[];
  readonly image: ImageFacts;
  readonly disk: StoreDisk;
  readonly tree: TreeFacts;
}

interface ImageFacts {
  readonly reference: string;
  readonly id: string;
  readonly store: StoreKind;
}

interface StoreDisk {
  /** `root=` and what that is. */
  readonly root: string;
  readonly device: string;
  readonly room: Room;
  /** Relative to the top level. */
  readonly storePath: string;
  /** What people call the stores there that have images and count: more than one may come to differ. */
  readonly stores: readonly string[];
  /** Where its engine has its directory here. */
  readonly engineDirectory: string;
  /** Whether that is this store; `undefined` where it is absent. */
  readonly isStoreOfEngine: boolean | undefined;
}

/** An entry, with its files. */
export interface EntryFacts {
  readonly entry: FoundEntry;
  /** `undefined` where the boot loader looks for one itself. */
  readonly kernel: KernelFile | undefined;
  readonly initrds: readonly InitrdFile[];
}

interface KernelFile {
  /** As the boot loader names it. */
  readonly name: string;
  /** Where it is seen here. */
  readonly file: string | undefined;
  readonly version: string | undefined;
}

export interface InitrdFile {
  readonly name: string;
  readonly file: string | undefined;
  /** `undefined` where it cannot be looked into. */
  readonly content: InitramfsContent | undefined;
  /** Whether it ends before its compressed data do: no kernel unpacks it. */
  readonly isCutShort?: boolean;
}

/** What is in an initramfs. */
export interface InitramfsContent {
  /** Whether it is more than microcode. */
  readonly hasInit: boolean;
  readonly hasDockroot: boolean;
  /** The programs that dockroot calls and that are not in it. */
  readonly missing: readonly string[];
  /** Whose modules it has. */
  readonly kernelVersions: readonly string[];
  readonly config: ConfigSource | undefined;
}

/** Where no boot says which image. */
export interface TargetFacts {
  /** The engine's directory; Docker's where no store has an image. */
  readonly directory: string;
  /** Of what is in it. */
  readonly home: Home;
  /** Its filesystem; `undefined` where it is absent. */
  readonly storeFsType: string | undefined;
  readonly found:
    | { readonly kind: "failed"; readonly failure: BootFailure }
    | { readonly kind: "not-named" }
    | {
        readonly kind: "image";
        readonly image: ImageFacts;
        readonly tree: TreeFacts;
      }
    /** The system here is the image. */
    | {
        readonly kind: "itself";
        readonly tree: TreeFacts;
        readonly initrds: readonly InitrdFile[];
      };
}

/** The tree that becomes root, with the top layer over it. */
export interface TreeFacts {
  /** "the image system:1", "this system". */
  readonly what: string;
  readonly hasTopLayer: boolean;
  /** Why it has no init. */
  readonly initFailure: BootFailure | undefined;
  /** The kernels whose modules it has. */
  readonly modules: readonly string[];
  readonly kernels: readonly KernelFile[];
  readonly generators: readonly GeneratorFacts[];
  /** What toplayer check finds, of the image's own fstab and accounts, too. */
  readonly problems: readonly Problem[];
  /** Where nothing can be created, because a snapshot leaves out a nested subvolume. */
  readonly unfilledGaps: readonly string[];
  readonly hasRootLine: boolean;
  readonly engines: EngineConfigs;
  /** Which engine's store it comes from; `undefined` where that is not known. */
  readonly storeKind: StoreKind | undefined;
  readonly store: StoreMountFacts;
  readonly logins: LoginFacts;
}

export interface GeneratorFacts {
  readonly name: string;
  /** Of the hook's files. */
  readonly missing: readonly string[];
  /** What is wrong with its configuration. */
  readonly problem: string | undefined;
}

/** What mounts the image store in the new system. */
export interface StoreMountFacts {
  /** Whose store it is. */
  readonly home: Home;
  /** Whether the new system has its engine at all. */
  readonly hasEngine: boolean;
  readonly mountPoint: string;
  readonly by:
    | {
        readonly kind: "fstab";
        readonly line: number;
        readonly source: string;
        /** Why it is not the image store, whatever that's path is. */
        readonly problem: string | undefined;
        /** What is there, from the top level; `undefined` where the line does not say. */
        readonly subvolume: string | undefined;
      }
    | { readonly kind: "unit"; readonly file: string }
    | undefined;
}

export interface LoginFacts {
  /** Why nothing can be said of them. */
  readonly unchecked: string | undefined;
  /** Who has a password, and a shell to log in with. */
  readonly byPassword: readonly string[];
  readonly byKey: readonly string[];
  /** What logs somebody in without being asked. */
  readonly automatic: string | undefined;
  /** Homes are mounted from elsewhere: keys may be there. */
  readonly homesAreMounted: boolean;
}

/** A boot partition of its own. */
export interface BootRoom {
  readonly mountPoint: string;
  readonly room: Room;
  /** Of the largest initramfs there; 0 where none was found. */
  readonly largestBytes: number;
}

/** The trees that become root, each once. */
export function treesOf({ starts, target }: DoctorFacts): TreeFacts[] {
  const trees = new Map<string, TreeFacts>();
  for (const { outcome } of starts) {
    if (outcome.kind === "planned")
      trees.set(JSON.stringify(outcome.tree), outcome.tree);
  }
  const found = target?.found;
  if (found?.kind === "image" || found?.kind === "itself") {
    trees.set(JSON.stringify(found.tree), found.tree);
  }
  return [...trees.values()];
}
