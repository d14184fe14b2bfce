import type { ConfigSource } from "../../../runtime/options/config.ts";
import type { BootFailure } from "../../../runtime/base/failure.ts";
import type { Room } from "../../../runtime/host/files.ts";
import type { Deployment } from "../../../runtime/records/deployments.ts";
import type { StoreKind } from "../../../runtime/options/table.ts";
import type { RootImage } from "../../../runtime/stores/store.ts";
import type { BootPlaceRequest } from "../../loaders/boot-place.ts";
import type { ChosenOnce } from "../../loaders/chosen-once.ts";
import type { FoundEntry } from "../../loaders/formats/boot-loader.ts";
import type {
  EngineConfigs,
  Home,
} from "../../engines/formats/engine-configs.ts";
import type { HelperStatus } from "../../install/plan/helper-version.ts";
import type { CheckFacts } from "../../toplayer/rules/check-facts.ts";
import type { Finding } from "./finding.ts";

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
  /** Which engines are installed here, or configured. */
  readonly hasEngine: Readonly<Record<"docker" | "podman", boolean>>;
  /** Whether an engine here has a store with images in its directory. */
  readonly hasImages: boolean;
  readonly helpers: readonly HelperStatus[];
  readonly bootRooms: readonly BootRoom[];
  /** `undefined` where there are no deployments. */
  readonly bootsNext: BootsNextFacts | undefined;
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
  /** Why boot partitions could not be looked at. */
  readonly unseen: readonly string[];
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
  /** The earlier root that would boot where no new one is made; `undefined` where none may, or can. */
  readonly former: string | undefined;
  /** Those of its rwlayer; `undefined` where there are none, or the disk was not looked at. */
  readonly deployments: DeploymentsFacts | undefined;
}

/** The deployments of a rwlayer. */
export type DeploymentsFacts =
  | { readonly kind: "damaged"; readonly failure: BootFailure }
  | {
      readonly kind: "read";
      readonly rwlayer: string;
      /** The number of the one that runs. */
      readonly running: number | undefined;
      readonly next: number | null;
      /** Where it was written. */
      readonly menuOf: Pick<BootPlaceRequest, "given" | "menuUuid">;
      /** Those that have an entry. */
      readonly deployments: readonly DeploymentFacts[];
    };

/** What the boot loader's menu has of a rwlayer's deployments. */
export type BootsNextFacts = { readonly rwlayer: string } & (
  | { readonly kind: "unseen"; readonly why: string }
  | {
      readonly kind: "read";
      /** As people call it. */
      readonly loader: string;
      /** Which have an entry. */
      readonly entries: readonly number[];
      /** What starts by itself; `undefined` where that is another entry, or cannot be told. */
      readonly next: number | undefined;
      /** Whether kernel and initramfs are what was deployed, of those with no entry among the starts. */
      readonly bootFiles: readonly {
        readonly n: number;
        readonly areIntact: boolean;
      }[];
      readonly once: ChosenOnce | undefined;
      /** Whether the loader starts another one where a new one's kernel dies. */
      readonly fallsBack: boolean;
      /** Where the system has boot files or the menu, and takes no writes. */
      readonly readOnly: readonly string[];
      /** Where boot files go; `undefined` where that is the btrfs with the images. */
      readonly room: BootRoom | undefined;
    }
);

export interface DeploymentFacts extends Deployment {
  /** Whether its image is kept. */
  readonly isKept: boolean;
}

/** What a boot with these options would come to, but for what only the boot itself does. */
export type StartOutcome =
  | { readonly kind: "failed"; readonly failure: BootFailure }
  /** The options lack what only the configuration in the initramfs can say. */
  | { readonly kind: "incomplete"; readonly failure: BootFailure }
  /** They are valid; the disk was not looked at. */
  | { readonly kind: "read" }
  /** An earlier root. */
  | { readonly kind: "generation"; readonly warnings: readonly string[] }
  | ({ readonly kind: "planned" } & PlannedFacts);

export interface PlannedFacts {
  readonly warnings: readonly string[];
  readonly image: ImageFacts;
  readonly disk: StoreDisk;
  readonly tree: JudgedTree;
}

interface ImageFacts {
  readonly reference: string;
  readonly id: string;
  readonly store: RootImage["store"];
}

/** Where the kernel options say that the image store is. */
export interface StorePath {
  /** `root=` */
  readonly root: string;
  /** Relative to the top level. */
  readonly storePath: string;
  /** Whether roots of its images are overlays, not subvolumes. */
  readonly isOverlay: boolean;
}

interface StoreDisk extends StorePath {
  readonly device: string;
  readonly fsType: string;
  /** How many layers a root is an overlay of; `undefined` where it is a subvolume. */
  readonly layerCount: number | undefined;
  /** Of an xfs, whether its directories say what kind of file each name is; `undefined` where that is not known. */
  readonly hasFileTypes: boolean | undefined;
  readonly room: Room;
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
  /** `undefined` where it is none of a deployment's, or the deployments are not known. */
  readonly deployed: DeployedFacts | undefined;
}

/** What an entry has of its deployment. */
interface DeployedFacts {
  readonly n: number;
  /** `undefined` where there is none of that number. */
  readonly deployment: DeploymentFacts | undefined;
  /** Whether kernel and initramfs are what was deployed; `undefined` where they are not all seen. */
  readonly areIntact: boolean | undefined;
}

interface KernelFile {
  /** As the boot loader names it. */
  readonly name: string;
  /** Where it is seen here. */
  readonly file: string | undefined;
  readonly version: string | undefined;
  /** Whether it is known not to be there, and not only not seen. */
  readonly isAbsent?: boolean;
}

export interface InitrdFile {
  readonly name: string;
  readonly file: string | undefined;
  /** `undefined` where it cannot be looked into. */
  readonly content: InitramfsContent | undefined;
  /** Whether it ends before its compressed data do: no kernel unpacks it. */
  readonly isCutShort?: boolean;
  /** As a kernel's. */
  readonly isAbsent?: boolean;
}

/** What is in an initramfs. */
export interface InitramfsContent {
  /** Whether it is more than microcode. */
  readonly hasInit: boolean;
  readonly hasDockroot: boolean;
  /** The programs that dockroot calls and that are not in it. */
  readonly missing: readonly string[];
  /** Whether it can check an ext4. */
  readonly hasFsck: boolean;
  /** Whether it has the kernel's module overlay. */
  readonly hasOverlay: boolean;
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
        readonly tree: JudgedTree;
      }
    /** The system here is the image. */
    | {
        readonly kind: "itself";
        readonly tree: JudgedTree;
        readonly initrds: readonly InitrdFile[];
      };
}

/** A tree that becomes root, with the top layer over it, for as long as it can be read. */
export interface TreeFacts {
  /** "the image system:1", "this system". */
  readonly what: string;
  /** Whether it is the system here: an image in the making. */
  readonly isItself: boolean;
  readonly hasTopLayer: boolean;
  /** Why it has no init. */
  readonly initFailure: BootFailure | undefined;
  /** The kernels whose modules it has. */
  readonly modules: readonly string[];
  readonly kernels: readonly KernelFile[];
  readonly generators: readonly GeneratorFacts[];
  /** Where nothing can be created, because a snapshot leaves out a nested subvolume. */
  readonly unfilledGaps: readonly string[];
  /** As for `toplayer check`. */
  readonly check: CheckFacts;
  readonly engine: EngineFacts;
  /** Where the image store is; `undefined` where no boot says. */
  readonly store: StorePath | undefined;
}

/** The engine of a tree. */
export interface EngineFacts {
  readonly configs: EngineConfigs;
  /** Whether the tree has the engine of its store. */
  readonly isInstalled: boolean;
  /** Which engine's store the tree comes from; `undefined` where that is not known. */
  readonly storeKind: StoreKind | undefined;
  /** Whose directory that is in. */
  /** Whether roots of its images are overlays. */
  readonly isOverlay: boolean;
  readonly home: Home;
}

/** What is known of a tree when it can no longer be read. */
export interface JudgedTree extends Pick<
  TreeFacts,
  "what" | "modules" | "engine"
> {
  /** The kernels that are known to have no overlayfs built in. */
  readonly withoutOverlay: readonly string[];
  readonly hasRootLine: boolean;
  readonly findings: readonly Finding[];
}

export interface GeneratorFacts {
  readonly name: string;
  /** Of the hook's files. */
  readonly missing: readonly string[];
  /** What is wrong with its configuration. */
  readonly problem: string | undefined;
}

/** A boot partition of its own. */
export interface BootRoom {
  /** Of what is not mounted, the device. */
  readonly mountPoint: string;
  readonly room: Room;
  /** Of the kernel and the initramfs of one entry, the largest; 0 where none was found. */
  readonly largestBytes: number;
}

/** The trees that become root. */
export function treesOf({ starts, target }: DoctorFacts): JudgedTree[] {
  return [...starts.map(({ outcome }) => outcome), target?.found].flatMap(
    (found) => (found !== undefined && "tree" in found ? [found.tree] : []),
  );
}
