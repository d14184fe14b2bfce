import path from "node:path";
import { BootError } from "../../runtime/base/errors.ts";
import { summarizeFailure } from "../../runtime/base/failure.ts";
import { snapshotSubvolume } from "../../runtime/disk/btrfs.ts";
import type { Disk } from "../../runtime/disk/disk.ts";
import { followIn } from "../../runtime/host/follow-in.ts";
import type { Host } from "../../runtime/host/host.ts";
import { chooseGenerator } from "../generators/choose-generator.ts";
import type { Build, Generator } from "../generators/generator.ts";
import { requireWhole, runGenerator } from "../install/apply-install.ts";
import { installedGenerator } from "../install/gather-install.ts";
import { enteredHost } from "../system/enter-root.ts";
import { holdSignals } from "../system/hold-signals.ts";
import { countInodes, measureTree } from "../system/measure-tree.ts";
import { treeHost } from "../system/tree-host.ts";
import { formatSize } from "../text/human.ts";
import { describeBootFiles, type BootFiles } from "./boot-files.ts";
import {
  readDeployments,
  recordDurably,
} from "../../runtime/disk/deployments-file.ts";
import { removeBuilding } from "./deploy-disk.ts";
import { INITRAMFS } from "./find-boot-files.ts";
import { SPARE_INODES } from "./kept-images.ts";
import type { Teller } from "./pull-first.ts";

/** For what else is written meanwhile, the initramfs first of all. */
const ROOM_LEFT_BYTES = 256 * 1024 * 1024;

/** An image, and what of it boots besides the initramfs. */
export interface InitramfsRequest {
  /** The image in words. */
  readonly what: string;
  /** Its tree; absolute. */
  readonly from: string;
  readonly boot: BootFiles;
}

/**
 * What makes the initramfs of an image: what dockroot was installed for in it, or the only one.
 * @throws BootError GENERATOR_MISSING, GENERATOR_AMBIGUOUS
 */
export function findGenerator(
  host: Host,
  tree: string,
  what: string,
): Generator {
  const inside = treeHost(host, tree);
  try {
    return chooseGenerator(inside, installedGenerator(inside));
  } catch (cause) {
    if (!(cause instanceof BootError)) throw cause;
    throw new BootError(
      cause.code,
      `cannot make the initramfs of ${what} on this machine`,
      { cause, hint: "Install its generator, then dockroot, in the image." },
    );
  }
}

/**
 * Makes an image's initramfs for this machine, by the generator that is in the image, in a writable snapshot of it, or in
 * a copy where roots are overlays: a generator looks for the drivers of the device that / is on. What is made is a file of dockroot's own, until `removeMadeInitramfs`.
 * @returns the boot files, with the initramfs
 * @throws BootError FILE_FOREIGN where something else has the snapshot's place, INSTALL_FAILED, HelperError
 */
export async function makeInitramfs(
  disk: Disk,
  { what, from, boot }: InitramfsRequest,
  { progress, tell }: Teller,
): Promise<BootFiles> {
  const { host, paths } = disk;
  const made = disk.at(paths.madeInitramfs);
  const tree = disk.at(paths.building);
  await removeBuilding(disk);
  if (host.files.statusOf(tree) !== undefined) {
    throw new BootError(
      "FILE_FOREIGN",
      `${paths.building} is in the way: dockroot did not make it`,
      {
        hint: "Nothing is changed. If nobody needs it, mount the filesystem with -o subvolid=5 and delete it there.",
      },
    );
  }
  await recordDurably(disk, { ...readDeployments(disk), isBuilding: true });
  try {
    await (disk.isOverlay
      ? copyTree(disk, from, tree)
      : snapshotSubvolume(host, from, tree));
    await holdSignals(async (interruption) => {
      const { name } = findGenerator(host, tree, what);
      const makes = `making the initramfs with ${name}`;
      const built = await progress(makes, () =>
        buildInside(host, tree, { what, boot }, { interruption, tell }),
      );
      await host.run(["cp", "--reflink=auto", "--", built, made]);
    });
  } finally {
    // What stays is removed by the next command.
    await removeBuilding(disk).catch((cause: unknown) => {
      host.log.warn(summarizeFailure(cause));
    });
  }
  const files = [...boot.files, { from: made, name: INITRAMFS }];
  return describeBootFiles(host, boot.release, files);
}

/** @throws BootError NO_ROOM, HelperError */
async function copyTree(
  { host, topLevel }: Disk,
  from: string,
  to: string,
): Promise<void> {
  const { freeBytes, freeInodes } = host.files.roomAt(topLevel);
  const refuse = (why: string) => {
    throw new BootError(
      "NO_ROOM",
      `there is no room for a copy of the image, in which its initramfs is made: ${why}`,
      { hint: "Remove what nobody needs. Nothing was changed." },
    );
  };
  const bytes = await measureTree(host, from);
  const missing = bytes + ROOM_LEFT_BYTES - freeBytes;
  if (missing > 0) {
    refuse(
      `it takes ${formatSize(bytes)}, and ${formatSize(missing)} are missing`,
    );
  }
  if (freeInodes !== undefined) {
    const files = await countInodes(host, from);
    if (files + SPARE_INODES > freeInodes) {
      refuse(
        `it has ${String(files)} files, and the disk takes ${String(freeInodes)} more`,
      );
    }
  }
  await host.run([
    ...["cp", "--archive", "--no-target-directory", "--", from, to],
  ]);
}

/** @returns the initramfs's path on this machine */
async function buildInside(
  host: Host,
  tree: string,
  { what, boot }: Pick<InitramfsRequest, "what" | "boot">,
  reporter: Parameters<typeof runGenerator>[2],
): Promise<string> {
  const inside = enteredHost(host, tree);
  const at = (file: string) => requireInside(host, tree, file);
  const generator = findGenerator(host, tree, what);
  const builds = await generator.builds(inside, "machine");
  const { argv, dropIn, image } = chooseBuild(builds, boot.release, what);
  if (dropIn !== undefined) {
    const { text } = dropIn;
    host.files.writeFile(at(dropIn.path), { text }, { mode: 0o644 });
  }
  // What the image has there is not what is made.
  host.files.removeFile(at(image.builtAt));
  await runGenerator(
    inside,
    { argv, names: `the initramfs of ${what}` },
    reporter,
  );
  const hint = `No deployment was made of it. Run dockroot install in the image; if it says that nothing is to be done, find the setting of ${generator.name} that leaves it out.`;
  await requireWhole(inside, generator, image, hint);
  return at(image.builtAt);
}

/** Of a unified kernel image nothing but the firmware's own entries could be made. */
function chooseBuild(builds: readonly Build[], release: string, what: string) {
  const found = builds.flatMap(({ images, ...build }) =>
    images
      .filter(
        ({ path: file, kernelVersion }) =>
          kernelVersion === release && !/\.efi$/i.test(file),
      )
      .map((image) => ({ ...build, image })),
  );
  const [first] = found;
  if (first !== undefined) return first;
  throw new BootError(
    "KERNEL_MISSING",
    `the generator in ${what} makes no initramfs for the kernel ${release}`,
    {
      hint: "mkinitcpio makes those of its presets (/etc/mkinitcpio.d), which may be unified kernel images alone: set default_image there.",
    },
  );
}

/** Where a file of the tree is on this machine. @throws BootError */
function requireInside(host: Host, tree: string, file: string): string {
  const directory = followIn(host, tree, path.dirname(file));
  if (directory !== undefined) return path.join(directory, path.basename(file));
  throw new BootError("FILE_UNREADABLE", `${file} leads nowhere in the image`);
}
