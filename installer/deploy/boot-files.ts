import path from "node:path";
import { BootError } from "../../runtime/base/errors.ts";
import { createSha256 } from "../../runtime/base/sha256.ts";
import type { Deployment } from "../../runtime/records/deployments.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { BootPlace } from "../loaders/boot-place.ts";
import { formatSize } from "../text/human.ts";

/** On $BOOT. */
const DIRECTORY = "dockroot";

export interface BootFile {
  /** Absolute. */
  readonly from: string;
  /** In the directory of the boot files. */
  readonly name: string;
}

/** A kernel and what is loaded with it, as an image has them. */
export interface BootFiles {
  readonly release: string;
  /** The kernel first; then in the order in which they are loaded. */
  readonly files: readonly BootFile[];
  /** Of the names and the contents. */
  readonly digest: string;
  readonly bytes: number;
}

/** These files as boot files. @param files the kernel first */
export function describeBootFiles(
  host: Host,
  release: string,
  files: readonly BootFile[],
): BootFiles {
  return {
    release,
    files,
    digest: hashBootFiles(host, files),
    bytes: files.reduce(
      (sum, { from }) => sum + (host.files.statusOf(from)?.sizeBytes ?? 0),
      0,
    ),
  };
}

/** What `BootFiles.digest` is of these files. */
export function hashBootFiles(host: Host, files: readonly BootFile[]): string {
  const hash = createSha256();
  for (const { from, name } of files) {
    hash.update(`${name} ${host.files.hashFile(from)}\n`);
  }
  return hash.digest("hex");
}

/** The directory of boot files on $BOOT; as the boot loader names it, it begins with a slash. */
export function bootDirectory(digest: string): string {
  return `/${DIRECTORY}/${digest}`;
}

/** Whether boot files are on $BOOT as they were deployed, by what is in them. */
export function areBootFilesIntact(
  host: Host,
  { top }: BootPlace,
  { digest, files }: Pick<Deployment["kernel"], "digest" | "files">,
): boolean {
  const copies = files.map((name) => ({
    from: path.join(top, bootDirectory(digest), name),
    name,
  }));
  return (
    copies.every(({ from }) => host.files.statusOf(from)?.kind === "file") &&
    hashBootFiles(host, copies) === digest
  );
}

/**
 * Copies boot files to $BOOT: aside, durable, read back and compared, then renamed. Damaged ones are replaced; nothing
 * is done where they are intact.
 * @throws BootError NO_ROOM, STEP_FAILED, HelperError
 */
export async function copyBootFiles(
  host: Host,
  place: BootPlace,
  boot: BootFiles,
): Promise<void> {
  if (areCopied(host, place, boot)) return;
  const target = path.join(place.top, bootDirectory(boot.digest));
  const aside = `${target}.new`;
  host.files.ensureDirectory(path.dirname(target), 0o755);
  removeIfThere(host, aside);
  try {
    host.files.ensureDirectory(aside, 0o755);
    const copied: BootFile[] = [];
    for (const { from, name } of boot.files) {
      const to = path.join(aside, name);
      await host.run(["cp", "--reflink=auto", "--", from, to]);
      copied.push({ from: to, name });
    }
    await host.run(["sync", "-f", aside]);
    if (hashBootFiles(host, copied) !== boot.digest) {
      throw new BootError(
        "STEP_FAILED",
        `what was copied to ${aside} reads differently`,
        {
          hint: "The disk may be failing: dmesg | tail. Nothing was changed.",
        },
      );
    }
    removeIfThere(host, target);
    host.files.rename(aside, target);
    await host.run(["sync", "-f", target]);
  } catch (error) {
    removeIfThere(host, aside);
    throw error;
  }
}

function areCopied(
  host: Host,
  place: BootPlace,
  { digest, files }: BootFiles,
): boolean {
  const names = files.map(({ name }) => name);
  return areBootFilesIntact(host, place, { digest, files: names });
}

/** @throws BootError FILE_FOREIGN where something else has the place of boot files that no deployment has yet */
export function refuseForeignBootFiles(
  host: Host,
  place: BootPlace,
  boot: BootFiles,
): void {
  const directory = bootDirectory(boot.digest);
  const target = path.join(place.top, directory);
  const parent = host.files.statusOf(path.dirname(target));
  const isFree = host.files.statusOf(target) === undefined;
  const why =
    parent !== undefined && parent.kind !== "directory"
      ? `/${DIRECTORY} is not a directory`
      : isFree || areCopied(host, place, boot)
        ? undefined
        : `${directory} has other files than the kernel and the initramfs of that digest`;
  if (why === undefined) return;
  throw new BootError("FILE_FOREIGN", `${place.filesystem.device}:${why}`, {
    hint: "Nothing is changed. If nobody needs it, remove it.",
  });
}

/** Removes boot files from $BOOT, and what was left of copying them; other files there stay. */
export async function removeBootFiles(
  host: Host,
  { top }: BootPlace,
  { digest, files }: Pick<Deployment["kernel"], "digest" | "files">,
): Promise<void> {
  const target = path.join(top, bootDirectory(digest));
  for (const directory of [target, `${target}.new`]) {
    for (const name of files) {
      host.files.removeFile(path.join(directory, name));
    }
    host.files.removeUnusedDirectory(directory);
  }
  await host.run(["sync", "-f", top]);
}

/**
 * How many bytes are missing for the boot files; 0 where there is room. Where they share their blocks with the image
 * they take none.
 */
export function missingBytes(
  host: Host,
  place: BootPlace,
  boot: BootFiles,
  isShared: boolean,
): number {
  if (isShared || areCopied(host, place, boot)) return 0;
  const { freeBytes } = host.files.roomAt(place.top);
  return Math.max(0, boot.bytes + ROOM_LEFT_BYTES - freeBytes);
}

/** For entries, and directories. */
const ROOM_LEFT_BYTES = 1024 * 1024;

/** @param missing how many bytes */
export function noRoom(
  { filesystem }: BootPlace,
  boot: BootFiles,
  missing: number,
): BootError {
  return new BootError(
    "NO_ROOM",
    `there is no room on ${filesystem.device} for kernel and initramfs: they take ${formatSize(boot.bytes)}, and ${formatSize(missing)} are missing`,
    {
      hint: "Remove deployments that you do not need (dockroot deployments, dockroot remove N) or other files there. Nothing was changed.",
    },
  );
}

function removeIfThere(host: Host, directory: string): void {
  if (host.files.statusOf(directory) === undefined) return;
  host.files.removeTree(Buffer.from(directory));
}
