import path from "node:path";
import { BootError } from "../../runtime/base/errors.ts";
import { isBelow } from "../../runtime/base/is-below.ts";
import { followIn, readBytesIn } from "../../runtime/host/follow-in.ts";
import type { Host } from "../../runtime/host/host.ts";
import { bytesOf, showPath } from "../../runtime/tree/layer.ts";
import type { EntryChange } from "../../runtime/tree/merge-plan.ts";
import type { MergedTree } from "../../runtime/tree/merged-tree.ts";
import {
  hidesSystem,
  isMounted,
  type FstabEntry,
} from "../system/formats/fstab.ts";
import type { FinalFiles, FinalText } from "./rules/check-facts.ts";

const MAX_TEXT_BYTES = 1024 * 1024;

type Text = Omit<FinalText, "entry">;

const NO_TEXT: Text = { text: undefined, unchecked: undefined };

/**
 * Reads a file of the new root. What a layer brings is not followed where it is a link.
 * @param file relative
 * @returns its text, and what has put it there, or removed it; `undefined` where the image has it
 */
export function readFinalText(
  host: Host,
  image: string,
  { tree, changes }: MergedLayers,
  file: string,
): Text & { readonly change: EntryChange | undefined } {
  const found = tree.at(file);
  const change = changes.findLast(({ entry, effect, target }) =>
    found === undefined
      ? !["skip", "merge"].includes(effect) &&
        (target === file || isBelow(file, target))
      : entry === found,
  );
  if (change === undefined) {
    return { change, ...readImageText(host, image, file) };
  }
  const text = found === undefined ? NO_TEXT : readLayerText(host, change);
  return { change, ...text };
}

/** A tree over which layers were laid, and what they have changed. */
interface MergedLayers {
  readonly tree: MergedTree;
  readonly changes: readonly EntryChange[];
}

/** @param image the image's tree */
export function createFinalFiles(
  host: Host,
  image: string,
  merged: MergedLayers,
): FinalFiles {
  const { tree, changes } = merged;
  const resolve = (file: string) =>
    tree.resolve(Buffer.from(file).toString("latin1"));
  const stands = (file: string) => {
    const target = resolve(file);
    return target !== undefined && tree.at(target) !== undefined;
  };
  return {
    stands,
    readText: (file) => {
      const target = resolve(file);
      return target === undefined
        ? undefined
        : readFinalText(host, image, merged, target).text;
    },
    namesIn: (directory) => {
      const target = resolve(directory);
      if (target === undefined) return [];
      const ofImage = host.files.namesIn(bytesOf(image, target).toString());
      const changed = changes
        .map((change) => showPath(change.target))
        .filter((file) => path.dirname(file) === showPath(target))
        .map((file) => path.basename(file));
      return [...new Set([...ofImage, ...changed])].filter((name) =>
        stands(path.join(directory, name)),
      );
    },
  };
}

/** The mount points below which the image has files. */
export function findFilled(
  host: Host,
  image: string,
  mounts: readonly FstabEntry[],
): ReadonlySet<string> {
  const hasFiles = (mountPoint: string) => {
    const at = followIn(host, image, mountPoint);
    if (at === undefined) return false;
    if (host.files.statusOf(at)?.kind !== "directory") return false;
    for (const { entries } of host.files.walkTree(at)) {
      if (entries.some(({ kind }) => kind !== "directory")) return true;
    }
    return false;
  };
  const mountPoints = mounts
    .filter((entry) => isMounted(entry) && hidesSystem(entry))
    .map(({ mountPoint }) => mountPoint);
  return new Set(mountPoints.filter(hasFiles));
}

function readLayerText(host: Host, { layer, path, entry }: EntryChange): Text {
  const { kind } = entry;
  if (kind !== "file") return { text: undefined, unchecked: `is a ${kind}` };
  const file = bytesOf(layer.at, path);
  try {
    const start = host.files.readStart(file, MAX_TEXT_BYTES);
    return start?.isWhole === false
      ? { text: undefined, unchecked: "is larger than 1 MiB" }
      : { text: start?.bytes.toString("utf8"), unchecked: undefined };
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    // Another rule says that it cannot be read.
    return NO_TEXT;
  }
}

export function readImageText(host: Host, image: string, file: string): Text {
  try {
    const bytes = readBytesIn(host, image, file, MAX_TEXT_BYTES);
    return { text: bytes?.toString("utf8"), unchecked: undefined };
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    return { text: undefined, unchecked: "is no file of at most 1 MiB" };
  }
}
