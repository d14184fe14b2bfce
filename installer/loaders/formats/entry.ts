import type { CmdlineOption } from "../../../runtime/options/cmdline.ts";
import type { FoundKernel } from "../plan/entry-facts.ts";
import type { LoaderName } from "./loader-name.ts";

/** A boot menu entry, before a loader's way to write it. */
export interface Entry {
  readonly loader: LoaderName;
  readonly title: string;
  readonly kernel: FoundKernel;
  /** Whether kernel and initramfs are on the filesystem that has the loader's configuration. */
  readonly isOnLoadersFilesystem: boolean;
  readonly options: readonly CmdlineOption[];
  /** Lines for whoever reads the entry. */
  readonly comments: readonly string[];
}

/** Paths from the filesystem's top level, a slash before them; microcode comes first. */
export function initrdPaths({ kernel }: Entry): string[] {
  const { directory, microcode, initramfs } = kernel;
  return [...microcode, initramfs].map((name) => absolute(directory, name));
}

export function kernelPath({ kernel }: Entry): string {
  return absolute(kernel.directory, kernel.kernel);
}

function absolute(directory: string, name: string): string {
  return directory === "" ? `/${name}` : `/${directory}/${name}`;
}
