import path from "node:path";
import { BootError } from "../../base/errors.ts";
import { hintFor } from "../../base/hints.ts";
import type { Host } from "../../host/host.ts";
import { unmount } from "../mount-stack.ts";
import { findMountAt, isMountPoint, upperOf, type Mount } from "../mounts.ts";
import { makeOwnDirectory } from "../run-directory.ts";

/** What overlayfs makes one tree of. All paths are absolute. */
export interface OverlayTree {
  /** Directories that are only read, the topmost first; at least one. */
  readonly layers: readonly string[];
  /** What takes the writes; without it the tree is read-only. */
  readonly upper?: { readonly directory: string; readonly work: string };
}

/**
 * mount(2) takes one page of options. More than that mount(8) of util-linux 2.38 cuts off: it mounts
 * fewer layers, and no upper directory, and reports success.
 */
const MAX_OPTION_BYTES = 4000;

/** mount(8) of util-linux 2.39 and later takes 255 bytes of one option, but for this: see its ENVIRONMENT. */
const OLD_SYSTEM_CALL = { LIBMOUNT_FORCE_MOUNT2: "always" };

/**
 * Mounts an overlay, and makes sure that it is what was asked for. Layers are named by short links in
 * a directory of our own, so that their names need neither room nor escapes.
 * @param at where to mount it; made when absent
 * @param links a directory for the links, which is removed afterwards; absolute
 * @throws BootError MOUNT_FAILED; FILE_FOREIGN where one of the two is not a directory of root's
 * @see https://docs.kernel.org/filesystems/overlayfs.html
 */
export async function mountOverlay(
  host: Host,
  at: string,
  { layers, upper }: OverlayTree,
  links: string,
): Promise<void> {
  while (isMountPoint(host, at)) await unmount(host, at);
  makeOwnDirectory(host, at);
  makeOwnDirectory(host, links);
  host.files.emptyDirectory(Buffer.from(links));
  try {
    const names = layers.map((directory, index) => {
      host.files.makeLink(directory, path.join(links, String(index)));
      return String(index);
    });
    if (upper === undefined && names.length === 1) {
      // One layer alone is no overlay for the kernel; and of one that was removed since, nobody could list what is in `/`.
      host.files.makeLink(at, path.join(links, EMPTY));
      names.push(EMPTY);
    }
    const options = [
      upper === undefined ? "ro" : "rw",
      `lowerdir=${names.join(":")}`,
      ...(upper === undefined
        ? []
        : [`upperdir=${upper.directory}`, `workdir=${upper.work}`]),
      "index=off",
      "redirect_dir=on",
    ].join(",");
    if (Buffer.byteLength(options) > MAX_OPTION_BYTES) {
      throw new Error(`${String(layers.length)} layers are too many`);
    }
    await host.run(
      ["mount", "-t", "overlay", "-o", options, "--", "overlay", at],
      { directory: links, environment: OLD_SYSTEM_CALL },
    );
    const mount = findMountAt(host, at);
    requireOverlay(mount, names.length, upper?.directory);
  } catch (cause) {
    if (isMountPoint(host, at)) await unmount(host, at);
    else host.files.removeUnusedDirectory(at);
    throw new BootError(
      "MOUNT_FAILED",
      `cannot mount an overlay of ${String(layers.length)} layers at ${at}`,
      { cause, hint: hintForOverlay(cause) },
    );
  } finally {
    host.files.removeTree(Buffer.from(links));
  }
}

/** A name beside those of the links. */
const EMPTY = "empty";

/** @throws Error where mount(8) has reported success, and this is another tree */
function requireOverlay(
  mount: Mount | undefined,
  layers: number,
  upper: string | undefined,
): void {
  const lied = (what: string) =>
    new Error(`mount reported success, but ${what}`);
  if (mount?.fsType !== "overlay") throw lied("no overlay is mounted there");
  const mounted = countLayers(mount);
  if (mounted !== layers) {
    throw lied(`${String(mounted)} of ${String(layers)} layers are mounted`);
  }
  if (upperOf(mount) !== upper) throw lied("the upper directory is another");
  if (upper !== undefined && !mount.options.includes("rw")) {
    throw lied("it takes no writes");
  }
}

/** The kernel shows layers as one option, or as one for each, by how they were given. */
function countLayers({ options }: Mount): number {
  return options
    .flatMap((option) => /^lowerdir\+?=(.*)$/s.exec(option)?.[1] ?? [])
    .flatMap((names) => names.split(":")).length;
}

function hintForOverlay(cause: unknown): string {
  if (/unknown filesystem type/.test(String(cause))) {
    return "Add the kernel module overlay to the initramfs.";
  }
  return hintFor(cause);
}
