import path from "node:path";
import {
  readInitramfs,
  type ArchivedFile,
} from "../initramfs/read-initramfs.ts";
import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import {
  BOOT_DIRECTORIES,
  findMicrocode,
  KERNEL_START_BYTES,
  pairKernels,
  parseKernelVersion,
  type KernelPair,
} from "./formats/kernel-files.ts";
import { readUki, type Uki } from "./formats/uki.ts";
import { hasFile } from "./has-file.ts";

const MODULES = "/lib/modules";

/** The versions of which a system has modules: of a removed kernel a directory may be left without these files. */
export function moduleVersions(
  host: Host,
  files: readonly string[] = ["modules.dep", "modules.order"],
): string[] {
  return host.files
    .namesIn(host.path(MODULES))
    .filter((version) =>
      files.some((file) => hasFile(host, `${MODULES}/${version}/${file}`)),
    );
}

/**
 * The versions of the kernels that an initramfs can be made for: their modules are there. Of one that
 * was removed a part of the modules may be left, so those count alone that have their kernel, too; but
 * where none has it, as in an image whose kernels are kept elsewhere, all do.
 */
export function kernelVersions(host: Host): string[] {
  const versions = moduleVersions(host, ["modules.dep"]);
  const present = new Set(
    [
      ...pairKernels(host.files.namesIn(host.path("/boot"))),
      ...findKernelInstallDirectories(host),
    ].map(({ version }) => version),
  );
  const whole = versions.filter(
    (version) =>
      present.has(version) || hasFile(host, `${MODULES}/${version}/vmlinuz`),
  );
  return whole.length > 0 ? whole : versions;
}

/** What kernel-install(8) has made for a kernel: a directory TOKEN/VERSION on a boot partition. */
export interface KernelInstallDirectory {
  /** Absolute. */
  readonly directory: string;
  readonly version: string;
}

/** The directories of kernel-install(8) that have a kernel or an initramfs in them. */
export function findKernelInstallDirectories(
  host: Host,
): KernelInstallDirectory[] {
  const below = (directory: string) =>
    host.files
      .namesIn(host.path(directory))
      .map((name) => ({ directory: `${directory}/${name}`, version: name }));
  return BOOT_DIRECTORIES.flatMap(below)
    .flatMap(({ directory }) => below(directory))
    .filter(({ directory }) =>
      ["linux", "initrd"].some((name) => hasFile(host, `${directory}/${name}`)),
    );
}

/** The kernels that a system has where its packages put them, absolute. */
export function findSystemKernels(host: Host): string[] {
  const inBoot = pairKernels(host.files.namesIn(host.path("/boot")));
  return [
    ...inBoot.map(({ kernel }) => `/boot/${kernel}`),
    ...findKernelInstallDirectories(host).map(
      ({ directory }) => `${directory}/linux`,
    ),
    ...moduleVersions(host).map((version) => `${MODULES}/${version}/vmlinuz`),
  ].filter(
    (file) => host.files.statusOfTarget(host.path(file))?.kind === "file",
  );
}

const MAX_LIST_BYTES = 4 * 1024 * 1024;

/**
 * Whether a kernel has one of some modules built in.
 * @returns `undefined` where the system has no list of that kernel
 */
export function isBuiltIn(
  host: Host,
  version: string,
  ...modules: readonly string[]
): boolean | undefined {
  const file = `/lib/modules/${version}/modules.builtin`;
  return host
    .readText(file, MAX_LIST_BYTES)
    ?.split("\n")
    .some((name) => modules.some((module) => name.endsWith(`/${module}.ko`)));
}

/**
 * @param known versions that the file's name may have
 * @returns what the kernel's file says of itself, else what its name says
 */
export function readKernelVersion(
  host: Host,
  file: string,
  known: readonly string[],
): string | undefined {
  const real = host.files.realPath(file);
  const start = host.files.readStart(real, KERNEL_START_BYTES);
  const isProgram = /\.efi$/i.test(real);
  return (
    (start && parseKernelVersion(start.bytes)) ??
    (isProgram ? findUki(host, real)?.version : undefined) ??
    known.find(
      (version) =>
        path.basename(file).endsWith(`-${version}`) ||
        path.basename(path.dirname(file)) === version,
    )
  );
}

/** @returns `undefined` where the file is no unified kernel image, or is cut short */
function findUki(host: Host, file: string): Uki | undefined {
  try {
    return host.files.withFile(file, Infinity, readUki);
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    return undefined;
  }
}

/**
 * Lists the initramfs in a file: all of it, or of a unified kernel image its section .initrd.
 * @param isWanted tells by a file's path whether its content is read
 * @throws Error as `readInitramfs`
 */
export async function listInitramfs(
  host: Host,
  file: string,
  isWanted: (path: string) => boolean = () => false,
): Promise<ArchivedFile[]> {
  const uki = findUki(host, file);
  const stream = host.files.streamFile(file, uki?.initrd);
  try {
    return await readInitramfs(stream, isWanted);
  } finally {
    // What is still open keeps its filesystem from being unmounted.
    await stream[Symbol.asyncDispose]();
  }
}

/** A kernel with what is loaded with it, all in one directory. */
export interface KernelFiles extends KernelPair {
  /** Relative to where the search began. */
  readonly directory: string;
  readonly microcode: readonly string[];
}

/** More are no boot loader's. */
const MAX_DIRECTORIES = 2000;

/**
 * Looks for kernels that a boot loader can boot in a tree. Links are not followed: what they lead to is
 * found where it is.
 * @param depth how many directories deep
 * @param isLeftOut whether a directory, relative to `tree`, is not looked into
 */
export function findKernels(
  host: Host,
  tree: string,
  depth: number,
  isLeftOut: (directory: string) => boolean,
): KernelFiles[] {
  const found: KernelFiles[] = [];
  const pending = [{ directory: "", left: depth }];
  for (const { directory, left } of pending) {
    const at = path.join(tree, directory);
    const kinds = host.files.namesIn(at).map((name) => ({
      name,
      kind: host.files.statusOf(path.join(at, name))?.kind,
    }));
    const namesOf = (wanted: "file" | "directory") =>
      kinds.filter(({ kind }) => kind === wanted).map(({ name }) => name);
    const files = namesOf("file");
    const microcode = findMicrocode(files);
    for (const pair of pairKernels(files)) {
      // An ELF file is for debuggers.
      if (pair.kernel.startsWith("vmlinux")) continue;
      const file = path.join(at, pair.kernel);
      const version = readKernelVersion(host, file, []) ?? pair.version;
      found.push({ ...pair, version, directory, microcode });
    }
    if (left === 0) continue;
    const below = namesOf("directory")
      .map((name) => path.join(directory, name))
      .filter((name) => !isLeftOut(name))
      .slice(0, MAX_DIRECTORIES - pending.length);
    pending.push(...below.map((name) => ({ directory: name, left: left - 1 })));
  }
  return found;
}
