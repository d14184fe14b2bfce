import { BootError, HelperError } from "../../runtime/base/errors.ts";
import { summarizeFailure } from "../../runtime/base/failure.ts";
import { isSubvolume, snapshotSubvolume } from "../../runtime/disk/btrfs.ts";
import type { Host } from "../../runtime/host/host.ts";
import { FORMER_LAYER } from "../../runtime/toplayer/gather-toplayer.ts";

/** The next top layer, beside the present one. */
const NEXT = ".dockroot-next";

/** Stands beside a top layer while it is replaced: then the two others beside it are ours. */
const MARK = ".dockroot-replaced";

/**
 * Makes another top layer of the present one, in a copy, and puts that in its place: whatever happens, a boot finds
 * the former one or this one.
 * @param at the directory of the top layer, absolute
 * @param change makes of the copy what it is to become; where it throws, all stays as it was
 * @throws BootError FILE_FOREIGN where something else has the names that this needs, HelperError
 */
export async function replaceLayer(
  host: Host,
  at: string,
  change: (next: string) => Promise<void>,
): Promise<void> {
  const next = `${at}${NEXT}`;
  const former = `${at}${FORMER_LAYER}`;
  await recoverLayer(host, at);
  for (const file of [next, former]) refuseForeign(host, file);
  host.files.writeFile(`${at}${MARK}`, { text: "" }, { mode: 0o600 });
  try {
    await copyLayer(host, at, next);
    await change(next);
    await sync(host, next);
    host.files.rename(at, former);
    host.files.rename(next, at);
    await sync(host, at);
  } finally {
    await recoverLayer(host, at);
  }
}

/** Brings to its end what an interruption has left: the former top layer where this one is not in place. */
export async function recoverLayer(host: Host, at: string): Promise<void> {
  const { files } = host;
  const mark = `${at}${MARK}`;
  if (files.statusOf(mark)?.kind !== "file") return;
  const former = `${at}${FORMER_LAYER}`;
  const isThere = (file: string) => files.statusOf(file) !== undefined;
  if (!isThere(at) && isThere(former)) files.rename(former, at);
  try {
    for (const file of [`${at}${NEXT}`, former]) {
      if (isThere(file)) await remove(host, file);
    }
    files.removeFile(mark);
  } catch (error) {
    // The next one removes it.
    host.log.warn(
      `cannot remove the former top layer: ${summarizeFailure(error)}`,
    );
  }
}

/** Files share their inodes with the present one's, which are never written to. */
async function copyLayer(host: Host, at: string, next: string): Promise<void> {
  if (isSubvolume(host, at)) {
    await snapshotSubvolume(host, at, next);
    return;
  }
  const copy = (how: string) =>
    host.run([
      ...["cp", "--archive", how, "--no-target-directory", "--", at, next],
    ]);
  try {
    await copy("--link");
  } catch (error) {
    if (!(error instanceof HelperError)) throw error;
    // It may have subvolumes in it, which links do not lead into.
    if (host.files.statusOf(next) !== undefined) await remove(host, next);
    await copy("--reflink=auto");
  }
}

async function remove(host: Host, directory: string): Promise<void> {
  if (isSubvolume(host, directory)) {
    await host.run(["btrfs", "subvolume", "delete", directory]);
  } else host.files.removeTree(Buffer.from(directory));
}

async function sync(host: Host, directory: string): Promise<void> {
  await host.run(["sync", "-f", directory]);
}

function refuseForeign(host: Host, file: string): void {
  if (host.files.statusOf(file) === undefined) return;
  throw new BootError("FILE_FOREIGN", `${file} is in the way`, {
    hint: "Nothing is changed. Rename or remove it: dockroot did not make it.",
  });
}
