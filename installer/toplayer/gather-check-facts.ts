import { readBytesIn } from "../../runtime/host/follow-in.ts";
import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { resolveInRoot } from "../../runtime/base/resolve-in-root.ts";
import { findEngineArtifacts } from "../../runtime/boot/bootable.ts";
import { readBaseTree } from "../../runtime/toplayer/base-tree.ts";
import { bytesOf, type ListedLayer } from "../../runtime/tree/layer.ts";
import type { EntryChange } from "../../runtime/tree/merge-plan.ts";
import { planMerge } from "../../runtime/tree/plan-merge.ts";
import { parseFstab } from "../system/formats/fstab.ts";
import {
  TEXT_FILES,
  type BootTarget,
  type CheckedEntry,
  type CheckFacts,
  type FinalText,
  type TextFile,
} from "./rules/check-facts.ts";
import { createFinalTree, type FinalTree } from "./final-tree.ts";
import { readEntries } from "./read-entries.ts";
import { waitForDevice } from "../../runtime/disk/device.ts";
import { parseDeviceSpec } from "../../runtime/options/device-spec.ts";

const MAX_TEXT_BYTES = 1024 * 1024;

/**
 * Plans the merge, and reads what the rules look at.
 * @param image the image's tree
 * @throws BootError TOPLAYER_UNSUITABLE
 */
export async function gatherFacts(
  host: Host,
  layers: readonly ListedLayer[],
  image: string,
  boot: BootTarget,
): Promise<CheckFacts> {
  const changes: EntryChange[] = [];
  const base = readBaseTree(host, image, {
    removed: findEngineArtifacts(host, image),
  });
  planMerge(layers, base, (change) => {
    changes.push(change);
  });
  const final = createFinalTree(changes);
  const entries = readEntries(host, layers, image, changes, final);
  const texts = Object.fromEntries(
    TEXT_FILES.map((file) => [
      file,
      readFinalText(host, image, final, entries, `etc/${file}`),
    ]),
  ) as Record<TextFile, FinalText>;
  const mounts = parseFstab(texts.fstab.text ?? "").entries;
  const compared = [
    ...mounts.filter(({ mountPoint }) => mountPoint === "/"),
    ...mounts.filter(({ fsType }) => fsType === "btrfs"),
  ];
  return {
    ownerless: layers.flatMap(({ isOwnerless }, layer) =>
      isOwnerless ? [layer] : [],
    ),
    entries: [...entries.values()],
    texts,
    imageTexts: {
      passwd: readImageText(host, image, "etc/passwd").text,
      group: readImageText(host, image, "etc/group").text,
    },
    boot,
    isRootFilesystem: await createRootComparison(
      host,
      boot.root,
      compared.map(({ source }) => source),
    ),
    stands: (file) => standsIn(host, image, final, file),
  };
}

function readFinalText(
  host: Host,
  image: string,
  final: FinalTree,
  entries: ReadonlyMap<EntryChange, CheckedEntry>,
  file: string,
): FinalText {
  const found = final.at(file);
  if (found.from === "image") {
    return { entry: undefined, ...readImageText(host, image, file) };
  }
  const { change } = found;
  const entry = entries.get(change);
  if (found.from === "nothing") {
    return { entry, text: undefined, unchecked: undefined };
  }
  return { entry, ...readLayerText(host, change) };
}

function readLayerText(
  host: Host,
  { layer, path, kind }: EntryChange,
): Omit<FinalText, "entry"> {
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
    return { text: undefined, unchecked: undefined };
  }
}

function readImageText(
  host: Host,
  image: string,
  file: string,
): Omit<FinalText, "entry"> {
  try {
    const bytes = readBytesIn(host, image, file, MAX_TEXT_BYTES);
    return { text: bytes?.toString("utf8"), unchecked: undefined };
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    return { text: undefined, unchecked: "is no file of at most 1 MiB" };
  }
}

/** Whether a path leads to something in the new root, symlinks followed as a chroot would. */
function standsIn(
  host: Host,
  image: string,
  final: FinalTree,
  file: string,
): boolean {
  const base = readBaseTree(host, image);
  const look = (candidate: string) => {
    const found = final.at(candidate);
    if (found.from === "image") return base.look(candidate);
    if (found.from === "nothing") return undefined;
    const { layer, path } = found.change;
    return host.files.lookAt(bytesOf(layer.at, path));
  };
  const bytes = Buffer.from(file).toString("latin1");
  const target = resolveInRoot("", bytes, (candidate) => {
    const found = look(candidate.slice(1));
    if (found === undefined) return undefined;
    return found.kind === "symlink"
      ? { kind: "symlink", target: found.target ?? "" }
      : { kind: "other" };
  });
  return target !== undefined && look(target.slice(1)) !== undefined;
}

/** Each is looked for on all devices: of more roots than any fstab has, the others stay unknown. */
const MAX_LOOKED_UP = 16;

/**
 * Tells whether sources of an fstab are the filesystem that `root=` names, however they are written.
 * @param root `undefined` where the kernel options do not say
 * @throws HelperError
 */
export async function createRootComparison(
  host: Host,
  root: string | undefined,
  sources: readonly string[],
): Promise<(source: string) => boolean | undefined> {
  const same = new Map<string, boolean | undefined>();
  const ofRoot = root === undefined ? undefined : await uuidOf(host, root);
  for (const source of new Set(sources.slice(0, MAX_LOOKED_UP))) {
    if (source === root) same.set(source, true);
    else if (ofRoot !== undefined) {
      const uuid = await uuidOf(host, source);
      same.set(source, uuid === undefined ? undefined : uuid === ofRoot);
    }
  }
  return (source) => same.get(source);
}

/** @returns `undefined` where there is no such filesystem, or it cannot be told which is meant */
async function uuidOf(host: Host, source: string): Promise<string | undefined> {
  try {
    const spec = parseDeviceSpec("root", source);
    const { uuid, path } = await waitForDevice(host, spec, 0);
    return uuid ?? path;
  } catch (error) {
    if (error instanceof BootError) return undefined;
    throw error;
  }
}
