import type { Host } from "../../runtime/host/host.ts";

export type GeneratorName = "mkinitcpio" | "dracut" | "initramfs-tools";

/** A file of dockroot's own that a generator reads. */
export interface HookFile {
  /** Where it stands, absolute. */
  readonly path: string;
  /** Its name below installer/assets. */
  readonly asset: string;
  readonly mode: number;
}

/** What a file of the system's is to hold instead. Its mode and owner stay. */
export interface FileEdit {
  /** Absolute, links resolved. */
  readonly path: string;
  readonly content: string;
  /** What was changed, for people: "dockroot after block in HOOKS". */
  readonly what: string;
}

/** An initramfs that a generator makes. */
export interface InitramfsImage {
  /** Absolute. */
  readonly path: string;
  /** The kernel's version, as /lib/modules names it. */
  readonly kernelVersion: string;
}

/** One way to build: a call that makes these images anew. */
export interface Build {
  /** For a process in the system. */
  readonly argv: readonly string[];
  readonly images: readonly InitramfsImage[];
}

/** A file in an initramfs. */
export interface ListedFile {
  /** Without a slash at its beginning. */
  readonly path: string;
  /** `undefined` where the listing does not tell. */
  readonly sizeBytes: number | undefined;
}

/** A program that makes initramfs images. */
export interface Generator {
  readonly name: GeneratorName;
  /** Whether the program is there. */
  isPresent(host: Host): boolean;
  readonly files: readonly HookFile[];
  /**
   * What must change in the generator's configuration for the hook to run; nothing where all is as
   * it must be.
   * @throws BootError where the configuration cannot be understood or is not fit for dockroot
   */
  enable(host: Host): Promise<readonly FileEdit[]>;
  /** What must change so that nothing of the hook is left. @throws BootError */
  disable(host: Host): Promise<readonly FileEdit[]>;
  /** How to make all images, one kernel after the other. @throws BootError */
  builds(host: Host): Promise<readonly Build[]>;
  /** The files in an image. @throws HelperError */
  list(host: Host, image: string): Promise<readonly ListedFile[]>;
  /** What must be in an image besides executable, helpers, libraries and modules, as in ListedFile. */
  readonly hooksInImage: readonly string[];
}
