import path from "node:path";
import { BootError } from "../../runtime/base/errors.ts";
import { hasModules } from "../../runtime/boot/bootable.ts";
import { followIn } from "../../runtime/host/follow-in.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { InitramfsKind } from "../../runtime/options/table.ts";
import { isCutShort } from "../initramfs/read-initramfs.ts";
import { HELPER_DIRECTORY } from "../initramfs/verify-image.ts";
import { findProgram } from "../install/helpers.ts";
import { BTRFS_HELPER } from "../install/plan/helper-version.ts";
import {
  compareVersions,
  initramfsNames,
} from "../system/formats/kernel-files.ts";
import {
  findKernels,
  listInitramfs,
  type KernelFiles,
} from "../system/kernels.ts";
import { treeHost } from "../system/tree-host.ts";
import { describeBootFiles, type BootFiles } from "./boot-files.ts";

/** Where an image may have kernels, and how deep below: Debian's, Fedora's and kernel-install's layouts. */
const KERNEL_PLACES = [
  ["boot", 2],
  ["usr/lib/modules", 1],
] as const;

const KERNEL = "linux";

/** The initramfs among the boot files. */
export const INITRAMFS = "initrd";

const EXECUTABLE = "usr/bin/dockroot";

const BTRFS = `${HELPER_DIRECTORY}/${BTRFS_HELPER}`;

export interface KernelRequest {
  /** The image's whole tree. */
  readonly tree: string;
  /** The image in words. */
  readonly what: string;
  /** The kernel that is asked for; `undefined`: the newest. */
  readonly release: string | undefined;
  /** Of `machine` there is none in the image, or none that counts. */
  readonly initramfs: InitramfsKind;
  /** Whether the initramfs must be able to boot from a btrfs. */
  readonly isForBtrfs: boolean;
}

/**
 * The kernel that an image boots with, which has modules in the image, and the initramfs with dockroot in it, unless that
 * is made on this machine, of programs that the image has.
 * @throws BootError KERNEL_MISSING
 */
export async function findBootFiles(
  host: Host,
  request: KernelRequest,
): Promise<BootFiles> {
  const { tree, what, isForBtrfs } = request;
  const found = chooseKernel(host, request);
  const { release, kernel, microcode } = found;
  const files = [
    { from: kernel, name: KERNEL },
    ...microcode.map((from) => ({ from, name: path.basename(from) })),
  ];
  if (request.initramfs === "image" && found.initramfs !== undefined) {
    const from = found.initramfs;
    await requireDockroot(host, from, request);
    files.push({ from, name: INITRAMFS });
  } else if (
    isForBtrfs &&
    findProgram(treeHost(host, tree), BTRFS_HELPER) === undefined
  ) {
    throw new BootError(
      "KERNEL_MISSING",
      `${what} does not contain the program ${BTRFS_HELPER}, without which no initramfs boots from this machine's btrfs`,
      { hint: "Install btrfs-progs in the image." },
    );
  }
  return describeBootFiles(host, release, files);
}

/** A kernel in an image, by absolute paths. */
interface ImageKernel {
  readonly kernel: string;
  readonly initramfs: string | undefined;
  readonly microcode: readonly string[];
  readonly release: string | undefined;
}

function chooseKernel(
  host: Host,
  { tree, what, release: wanted, initramfs: kind }: KernelRequest,
): ImageKernel & { readonly release: string } {
  const all = KERNEL_PLACES.flatMap(([place, depth]) => {
    const at = followIn(host, tree, place);
    if (at === undefined || at === tree) return [];
    return findKernels(host, at, depth, () => false).map((found) =>
      withPaths(host, tree, path.join(at, found.directory), found),
    );
  });
  const needsInitramfs = kind === "image";
  const fitting = all.flatMap((found) => {
    const { initramfs, release } = found;
    return (initramfs !== undefined || !needsInitramfs) &&
      release !== undefined &&
      (wanted === undefined || wanted === release) &&
      hasModules(host, tree, release)
      ? [{ ...found, release }]
      : [];
  });
  const [newest] = fitting.toSorted((a, b) =>
    compareVersions(b.release, a.release),
  );
  if (newest !== undefined) return newest;
  const found = all.map(({ kernel, initramfs, release }) => {
    const version = release ?? "of an unknown version";
    const file = path.join("/", path.relative(tree, kernel));
    const lacks = [
      ...(initramfs === undefined && needsInitramfs ? ["an initramfs"] : []),
      ...(hasModules(host, tree, version) ? [] : [`/lib/modules/${version}`]),
    ];
    return lacks.length === 0
      ? `${file} (${version})`
      : `${file} (${version}) lacks ${lacks.join(" and ")}`;
  });
  throw new BootError(
    "KERNEL_MISSING",
    `${what} has no kernel${wanted === undefined ? "" : ` ${wanted}`} with ${needsInitramfs ? "an initramfs and " : ""}its modules`,
    {
      cause: new Error(
        found.length === 0
          ? "there is no kernel in its /boot"
          : found.join("; "),
      ),
      hint:
        wanted === undefined
          ? "Install a kernel into the image, then run dockroot install in it: that makes the initramfs."
          : "Correct --kernel, or leave it out: the newest kernel is taken.",
    },
  );
}

/** A kernel beside its modules may have its initramfs in /boot: dracut puts it there (Fedora). */
function withPaths(
  host: Host,
  tree: string,
  directory: string,
  { kernel, initramfs, microcode, version }: KernelFiles,
): ImageKernel {
  const isFile = (file: string) => host.files.statusOf(file)?.kind === "file";
  const boot = followIn(host, tree, "boot") ?? directory;
  const candidates =
    initramfs === undefined
      ? initramfsNames(`-${version ?? ""}`).map((name) => path.join(boot, name))
      : [path.join(directory, initramfs)];
  return {
    kernel: path.join(directory, kernel),
    initramfs: candidates.find(isFile),
    microcode: microcode.map((name) => path.join(directory, name)),
    release: version,
  };
}

/** @throws BootError KERNEL_MISSING */
async function requireDockroot(
  host: Host,
  initramfs: string,
  { tree, what, isForBtrfs }: KernelRequest,
): Promise<void> {
  const shown = path.relative(tree, initramfs);
  const fail = (why: string, hint: string) =>
    new BootError(
      "KERNEL_MISSING",
      `the initramfs /${shown} of ${what} ${why}`,
      { hint },
    );
  let paths: ReadonlySet<string>;
  try {
    const files = await listInitramfs(host, initramfs);
    paths = new Set(files.map(({ path }) => path));
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    if (isCutShort(error)) {
      throw fail("is cut short", "Build the image anew.");
    }
    // One that Node cannot unpack may be right.
    host.log.warn(
      `cannot look into the initramfs /${shown} of ${what}: ${error.message}`,
    );
    return;
  }
  if (!paths.has(EXECUTABLE)) {
    throw fail(
      "does not contain dockroot, and would not boot the image",
      "Run dockroot install in the image.",
    );
  }
  if (isForBtrfs && !paths.has(BTRFS)) {
    throw fail(
      `does not contain ${BTRFS}, and would not boot from this machine's btrfs`,
      "Install btrfs-progs in the image, then run dockroot install in it.",
    );
  }
}
