import path from "node:path";
import { BootError } from "./host/errors.ts";
import type { Host } from "./host/host.ts";

/** The root of a btrfs subvolume has this inode number. */
export const SUBVOLUME_INODE = 256;

/** Whether a subvolume's root stands there (not a directory, not a link to one). */
export function isSubvolume(host: Host, file: string): boolean {
  const status = host.files.statusOf(file);
  return status?.kind === "directory" && status.inode === SUBVOLUME_INODE;
}

/** @throws HelperError, BootError */
export async function snapshotSubvolume(
  host: Host,
  from: string,
  to: string,
): Promise<void> {
  if (host.files.statusOf(to) !== undefined) {
    // btrfs would make the snapshot inside of it.
    throw new BootError("STEP_FAILED", `${to} is there already`);
  }
  await host.run(["btrfs", "subvolume", "snapshot", from, to]);
  if (!isSubvolume(host, to)) {
    throw new BootError(
      "STEP_FAILED",
      `btrfs reported success, but ${to} is no subvolume`,
    );
  }
}

/**
 * Renames a subvolume into another directory, which the kernel refuses (EROFS) for a read-only one.
 * @throws HelperError
 */
export async function moveSubvolume(
  host: Host,
  from: string,
  to: string,
): Promise<void> {
  const isReadOnly = host.files.isReadOnly(from);
  if (isReadOnly) await setReadOnly(host, from, false);
  host.files.rename(from, to);
  if (isReadOnly) await setReadOnly(host, to, true);
}

/** Commits what was written to the filesystem so far: it survives a power failure from here on. */
export async function syncFilesystem(host: Host, at: string): Promise<void> {
  await host.run(["btrfs", "filesystem", "sync", at]);
}

/** The UUID of the subvolume at `file`, lower case. @throws HelperError, BootError */
export async function readSubvolumeUuid(
  host: Host,
  file: string,
): Promise<string> {
  if (file.includes("\n")) {
    // It is printed as it is, so that it can look like the line with the UUID.
    throw new BootError(
      "RWLAYER_UNSUITABLE",
      `${file} has a line break in its path`,
      { hint: "Give the rwlayer another name with rootflags=subvol=." },
    );
  }
  const { stdout } = await host.run(["btrfs", "subvolume", "show", file]);
  const uuid = parseSubvolumeUuid(stdout.toString("utf8"));
  if (uuid === undefined) {
    throw new BootError(
      "STEP_FAILED",
      `btrfs subvolume show ${file} printed no UUID`,
    );
  }
  return uuid;
}

/** Reads `UUID:` from what `btrfs subvolume show` prints. */
export function parseSubvolumeUuid(text: string): string | undefined {
  return /^\tUUID: +\t+([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/m.exec(
    text,
  )?.[1];
}

export interface SubvolumeEdge {
  readonly id: number;
  readonly parentId: number;
}

/**
 * Reads numbers and parents from what `btrfs subvolume list` prints. A subvolume's name may contain
 * newlines, so some lines can be forged: an edge is a hint, to be confirmed by the kernel.
 */
export function parseSubvolumeEdges(text: string): SubvolumeEdge[] {
  return Array.from(
    text.matchAll(/^ID (\d+) gen \d+ top level (\d+) path /gm),
    ([, id, parentId]) => ({ id: Number(id), parentId: Number(parentId) }),
  );
}

/**
 * The numbers of all subvolumes that may be nested in `rootId`, the deepest first, `rootId` itself
 * not included. Pure; forged edges can add candidates and never hide one.
 */
export function nestedCandidates(
  edges: readonly SubvolumeEdge[],
  rootId: number,
): number[] {
  const children = Map.groupBy(edges, ({ parentId }) => parentId);
  const found = new Map<number, number>([[rootId, 0]]);
  let level = [rootId];
  for (let depth = 1; level.length > 0; depth += 1) {
    const below = level.flatMap((parent) => children.get(parent) ?? []);
    level = [];
    for (const { id } of below) {
      if (found.has(id)) continue;
      found.set(id, depth);
      level.push(id);
    }
  }
  found.delete(rootId);
  return [...found].sort(([, a], [, b]) => b - a).map(([id]) => id);
}

/**
 * Deletes the subvolume at `file` with those nested in it, read-only ones too, and no others.
 * @param topLevel where the filesystem's top level is mounted
 * @param file relative to the top level
 * @returns the numbers of those deleted
 * @throws HelperError, BootError
 */
export async function deleteSubvolumeTree(
  host: Host,
  topLevel: string,
  file: string,
): Promise<number[]> {
  const target = path.join(topLevel, file);
  if (!isSubvolume(host, target)) {
    throw new BootError("STEP_FAILED", `${target} is no subvolume`);
  }
  const id = Number(
    await printed(host, ["btrfs", "inspect-internal", "rootid", target]),
  );
  const list = await host.run(["btrfs", "subvolume", "list", topLevel]);
  const candidates = nestedCandidates(
    parseSubvolumeEdges(list.stdout.toString("latin1")),
    id,
  );
  const nested: { id: number; path: Buffer }[] = [];
  for (const candidate of candidates) {
    const found = await resolveSubvolumeId(host, topLevel, candidate);
    if (found !== undefined && isBelow(found, Buffer.from(file))) {
      nested.push({ id: candidate, path: found });
    }
  }
  // A child goes before its parent, and its path is longer.
  nested.sort((a, b) => b.path.length - a.path.length);
  const parents = [
    Buffer.from(file),
    ...nested.map((child) => child.path),
  ].filter((parent) => nested.some((child) => isBelow(child.path, parent)));
  for (const parent of parents) {
    await makeWritable(
      host,
      Buffer.concat([Buffer.from(`${topLevel}/`), parent]),
    );
  }
  const ids = [...nested.map((child) => child.id), id];
  for (const each of ids) await deleteById(host, topLevel, each);
  return ids;
}

/**
 * Waits until the space of deleted subvolumes is free again: btrfs clears up in the background, and
 * begins with the next commit.
 */
export async function waitForFreedSpace(
  host: Host,
  topLevel: string,
  ids: readonly number[],
): Promise<void> {
  await syncFilesystem(host, topLevel);
  await host.run(["btrfs", "subvolume", "sync", topLevel, ...ids.map(String)]);
}

function isBelow(file: Buffer, ancestor: Buffer): boolean {
  const prefix = Buffer.concat([ancestor, Buffer.from("/")]);
  return file.subarray(0, prefix.length).equals(prefix);
}

async function resolveSubvolumeId(
  host: Host,
  topLevel: string,
  id: number,
): Promise<Buffer | undefined> {
  const { exitCode, stdout } = await host.run(
    ["btrfs", "inspect-internal", "subvolid-resolve", String(id), topLevel],
    { okExitCodes: [0, 1] },
  );
  if (exitCode !== 0) return undefined;
  return stdout.subarray(0, stdout.length - 1);
}

/** What is nested in a read-only subvolume cannot be deleted. */
async function makeWritable(host: Host, file: Buffer): Promise<void> {
  if (!host.files.isReadOnly(file)) return;
  await setReadOnly(host, file.toString("utf8"), false);
}

async function setReadOnly(
  host: Host,
  file: string,
  isReadOnly: boolean,
): Promise<void> {
  const property = ["-ts", file, "ro", String(isReadOnly)];
  await host.run(["btrfs", "property", "set", "-f", ...property]);
}

async function deleteById(
  host: Host,
  topLevel: string,
  id: number,
): Promise<void> {
  await host.run(["btrfs", "subvolume", "delete", "-i", String(id), topLevel]);
}

async function printed(host: Host, argv: readonly string[]): Promise<string> {
  const { stdout } = await host.run(argv);
  return stdout.toString("utf8").trimEnd();
}
