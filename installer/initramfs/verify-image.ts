import type { ListedFile } from "../generators/generator.ts";

/** What an initramfs must have for dockroot to work in it. */
export interface ImageNeeds {
  /** A stripped executable is broken, and shorter. */
  readonly executableBytes: number;
  readonly helpers: readonly string[];
  /**
   * The names of the libraries that executable and helpers load: `libm.so.6`; `undefined` where only
   * running something would tell.
   */
  readonly libraries: readonly string[] | undefined;
  /** Whether the kernel has neither btrfs nor overlay built in: either makes roots, by where the store is. */
  readonly needsModule: boolean;
  /** Paths of hooks and units, without a slash at their beginning. */
  readonly hooks: readonly string[];
  /** The configurations' paths, likewise. */
  readonly configs: readonly string[];
}

/** Where an initramfs has the programs that dockroot calls. */
export const HELPER_DIRECTORY = "usr/lib/dockroot/bin";

/**
 * What an initramfs lacks, as phrases for people; nothing where all is there.
 * @param files what is in it
 */
export function findMissing(
  files: readonly ListedFile[],
  needs: ImageNeeds,
): string[] {
  const sizes = new Map(files.map((file) => [file.path, file.sizeBytes]));
  const names = new Set(files.map(({ path }) => path.split("/").at(-1) ?? ""));
  const missing: string[] = [];
  const require = (path: string) => {
    if (!sizes.has(path)) missing.push(path);
  };
  require("usr/bin/dockroot");
  const bytes = sizes.get("usr/bin/dockroot");
  if (bytes !== undefined && bytes !== needs.executableBytes) {
    missing.push(
      `a whole usr/bin/dockroot (it has ${String(bytes)} bytes instead of ${String(needs.executableBytes)}: something has changed it)`,
    );
  }
  for (const helper of needs.helpers) require(`${HELPER_DIRECTORY}/${helper}`);
  for (const library of needs.libraries ?? []) {
    if (!names.has(library)) missing.push(`the library ${library}`);
  }
  if (needs.needsModule && !files.some(({ path }) => MAKES_ROOTS.test(path))) {
    missing.push("the kernel's module btrfs or overlay");
  }
  for (const file of [...needs.hooks, ...needs.configs]) require(file);
  return missing;
}

const MAKES_ROOTS = /(^|\/)(btrfs|overlay)\.ko(\.(gz|xz|zst))?$/;

/**
 * Reads what `cpio --list --verbose` prints, as lsinitramfs -l, lsinitrd and lsinitcpio -l -v do:
 * `-rwxr-xr-x   1 root     root     109710144 Jan  1  1970 usr/bin/dockroot`.
 * @returns files and links; other lines, and directories and devices, are passed over
 */
export function parseListing(text: string): ListedFile[] {
  return text.split("\n").flatMap((line): ListedFile[] => {
    const [, type, size, name = ""] = ENTRY.exec(line) ?? [];
    if (type === undefined) return [];
    const path = name.replace(/^(\.?\/)+/, "");
    return type === "l"
      ? [{ path: path.replace(/ -> .*$/, ""), sizeBytes: undefined }]
      : [{ path, sizeBytes: Number(size) }];
  });
}

/** Type and mode, links, owner, group, size, date of three words, name. */
const ENTRY =
  /^([-l])\S{9}\s+\d+\s+\S+\s+\S+\s+(\d+)\s+\w{3}\s+\d+\s+[\d:]+ (.*)$/;
