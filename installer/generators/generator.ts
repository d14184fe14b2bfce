import type { Host } from "../../runtime/host/host.ts";
import { parseListing } from "../initramfs/verify-image.ts";
import { kernelVersions } from "../system/kernels.ts";

export const GENERATOR_NAMES = [
  "mkinitcpio",
  "dracut",
  "initramfs-tools",
] as const;

export type GeneratorName = (typeof GENERATOR_NAMES)[number];

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
  /** Where it is to stand, absolute. */
  readonly path: string;
  /**
   * Where the build puts it: best under another name, which is looked into before it takes the place
   * of the former image. Else `path` itself, and the former image is kept until then.
   */
  readonly builtAt: string;
  /** What a build that fails, or is ended, may leave besides that. */
  readonly leftover?: readonly string[];
  /** The kernel's version, as /lib/modules names it. */
  readonly kernelVersion: string;
}

/**
 * Which drivers an image gets:
 *
 * - `any`: those of any machine, as far as the generator can be told so
 * - `configured`: as the configuration says
 * - `machine`: those of this machine, likewise
 */
export type Drivers = "any" | "configured" | "machine";

/** One way to build: a call that makes these images anew. */
export interface Build {
  /** For a process in the system. */
  readonly argv: readonly string[];
  readonly images: readonly InitramfsImage[];
  /** A file of the configuration without which the drivers are others. */
  readonly dropIn?: { readonly path: string; readonly text: string };
  /** What the generator's own command would call with images in their places, such as boot loaders. */
  readonly afterwards?: readonly string[];
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
  /** Whether it is what makes an initramfs when a kernel is installed. */
  isInCharge(host: Host): boolean;
  readonly files: readonly HookFile[];
  /**
   * What must change in the generator's configuration for the hook to run; nothing where all is as
   * it must be.
   * @throws BootError where the configuration cannot be understood or is not fit for dockroot
   */
  enable(host: Host): Promise<readonly FileEdit[]>;
  /** What must change so that nothing of the hook is left. @throws BootError */
  disable(host: Host): Promise<readonly FileEdit[]>;
  /**
   * What in the generator's configuration limits an image to the drivers of the machine that builds it, where
   * `builds` does not overrule it: sentences with what to do.
   * @throws BootError, HelperError
   */
  describeHostOnly(host: Host): Promise<readonly string[]>;
  /** How to make all images, one kernel after the other. @throws BootError */
  builds(host: Host, drivers: Drivers): Promise<readonly Build[]>;
  /** What prints the files in an image, as `parseListing` reads them. */
  listCommand(image: string): string[];
  /** What must be in an image besides executable, helpers, libraries and modules, as in ListedFile. */
  readonly hooksInImage: readonly string[];
}

const LIST_TIMEOUT_MS = 120_000;

/** The files in an image. @throws HelperError */
export async function listFiles(
  host: Host,
  { listCommand }: Generator,
  image: string,
): Promise<readonly ListedFile[]> {
  const { stdout } = await host.run(listCommand(image), {
    timeoutMs: LIST_TIMEOUT_MS,
  });
  return parseListing(stdout.toString("utf8"));
}

/** A build for each kernel, under a name beside the image's own. */
export function buildPerKernel(
  host: Host,
  pathOf: (kernelVersion: string) => string,
  build: (image: InitramfsImage) => Omit<Build, "images">,
): Promise<Build[]> {
  const builds = kernelVersions(host).map((kernelVersion) => {
    const path = pathOf(kernelVersion);
    const builtAt = `${path}.dockroot-new`;
    const image = { path, builtAt, kernelVersion };
    return { ...build(image), images: [image] };
  });
  return Promise.resolve(builds);
}

const DIRECTORY = "/usr/lib/systemd/system";

/** The units of an initramfs with systemd, the same for all generators. In the running system they do nothing. */
export const systemdUnits = listUnits([
  "dockroot.service",
  "dockroot-go.service",
  "dockroot-finish.service",
  "dockroot-rooted.target",
  "sysroot.mount.d/dockroot.conf",
  "initrd-cleanup.service.d/dockroot.conf",
]);

/** The units by which the running system confirms its deployment, and makes the next one. In an initramfs they do nothing. */
export const confirmingUnits = listUnits([
  "dockroot-confirm.service",
  "dockroot-failed.service",
  "dockroot-fallback.service",
  "dockroot-shutdown.service",
  "dockroot-upgrade.service",
  "dockroot-upgrade.timer",
  "basic.target.d/dockroot.conf",
  "boot-complete.target.d/dockroot.conf",
  "emergency.target.d/dockroot.conf",
]);

function listUnits(names: readonly string[]): readonly HookFile[] {
  return names.map((name) => ({
    path: `${DIRECTORY}/${name}`,
    asset: `systemd/${name}`,
    mode: 0o644,
  }));
}
