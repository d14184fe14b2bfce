import type { FileKind, FileStatus } from "../../../runtime/host/files.ts";
import type { Effect } from "../../../runtime/tree/merge-plan.ts";

/** Who may do what with a file. */
export type CheckedAttributes = Pick<
  FileStatus,
  "mode" | "uid" | "gid" | "sizeBytes"
>;

/** One entry of a top layer, and what becomes of it. Paths begin with a slash, and are for people. */
export interface CheckedEntry {
  /** Which layer, from 0. */
  readonly layer: number;
  readonly path: string;
  readonly kind: FileKind;
  readonly effect: Effect;
  readonly target: string;
  readonly through: string | null;
  readonly replaced: FileKind | null;
  /** As it will be in the new root. */
  readonly attributes: CheckedAttributes;
  /** Of the image's directory that it merges into. */
  readonly ofImage: CheckedAttributes | undefined;
  /** Something that comes later takes its place, or removes it. */
  readonly isCovered: boolean;
  /** Its data is written in place (chattr +C). */
  readonly isNocow: boolean;
  /** The system's error code. */
  readonly refused: string | undefined;
  readonly holdsSecret: boolean;
}

/** A file of the new root whose content is looked at. */
export interface FinalText {
  /** `undefined` where the image brings it. */
  readonly entry: CheckedEntry | undefined;
  /** `undefined` where nothing is there, or it is not looked at. */
  readonly text: string | undefined;
  /** Why it is not looked at: what is there instead, as `is a FIFO`. */
  readonly unchecked: string | undefined;
}

export const TEXT_FILES = [
  "passwd",
  "group",
  "shadow",
  "gshadow",
  "fstab",
  "crypttab",
  "machine-id",
] as const;
export type TextFile = (typeof TEXT_FILES)[number];

/** What the kernel options say, as far as they are known. */
export interface BootTarget {
  /** The rwlayer, relative to the top level. */
  readonly rwlayer: string | undefined;
  readonly root: string | undefined;
  /** Whether root is an overlay, which no line of an fstab can mount. */
  readonly isOverlay: boolean;
  /** The kernel command line. */
  readonly cmdline: string | undefined;
}

/** Files of the new root, as image and layers leave them. Paths are absolute. */
export interface FinalFiles {
  /** Whether a path leads to something. */
  readonly stands: (file: string) => boolean;
  /** `undefined` where there is none that can be read. */
  readonly readText: (file: string) => string | undefined;
  /** The names in a directory. */
  readonly namesIn: (directory: string) => string[];
}

/** All that the rules look at. */
export interface CheckFacts extends FinalFiles {
  /** Layers, from 0, whose filesystems keep neither owners nor modes. */
  readonly ownerless: readonly number[];
  readonly entries: readonly CheckedEntry[];
  /** Of /etc in the new root. */
  readonly texts: Readonly<Record<TextFile, FinalText>>;
  /** Of /etc in the image. */
  readonly imageTexts: Readonly<Record<"passwd" | "group", string | undefined>>;
  readonly boot: BootTarget;
  /** Mount points of the fstab below which the image has files. */
  readonly imageHasFiles: ReadonlySet<string>;
  /** Which opened LUKS devices a source of the fstab is on, by their names below /dev/mapper. */
  readonly cryptNames: ReadonlyMap<string, readonly string[]>;
  /** Those that the initramfs opens. */
  readonly openedNames: ReadonlySet<string>;
  /** Whether a source of an fstab is the root's filesystem; `undefined` where that is not known. */
  readonly isRootFilesystem: (source: string) => boolean | undefined;
}
