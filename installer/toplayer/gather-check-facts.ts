import { readBytesIn } from "../../runtime/host/follow-in.ts";
import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { findEngineArtifacts } from "../../runtime/boot/bootable.ts";
import { readSnapshotTree } from "../../runtime/toplayer/snapshot-tree.ts";
import { isBelow } from "../../runtime/base/is-below.ts";
import { bytesOf, type ListedLayer } from "../../runtime/tree/layer.ts";
import type { EntryChange } from "../../runtime/tree/merge-plan.ts";
import {
  createMergedTree,
  type MergedTree,
} from "../../runtime/tree/merged-tree.ts";
import { planMerge } from "../../runtime/tree/plan-merge.ts";
import { parseFstab } from "../system/formats/fstab.ts";
import {
  TEXT_FILES,
  type BootTarget,
  type CheckFacts,
  type FinalText,
  type TextFile,
} from "./rules/check-facts.ts";
import { readEntries } from "./read-entries.ts";
import { waitForDevice } from "../../runtime/disk/device.ts";
import { parseDeviceSpec } from "../../runtime/options/device-spec.ts";

const MAX_TEXT_BYTES = 1024 * 1024;

/**
 * Plans the merge, and reads what the rules look at.
 * @param image the image's tree
 * @throws BootError TOPLAYER_UNSUITABLE
 */
export async function gatherCheckFacts(
  host: Host,
  layers: readonly ListedLayer[],
  image: string,
  boot: BootTarget,
): Promise<CheckFacts> {
  const changes: EntryChange[] = [];
  const tree = createMergedTree(
    readSnapshotTree(host, image, {
      removed: findEngineArtifacts(host, image),
    }),
  );
  planMerge(layers, tree, (change) => {
    changes.push(change);
  });
  const entries = readEntries(host, layers, image, changes, tree);
  const texts = Object.fromEntries(
    TEXT_FILES.map((name): [TextFile, FinalText] => {
      const file = `etc/${name}`;
      const change = findChange(tree, changes, file);
      if (change === undefined) {
        return [
          name,
          { entry: undefined, ...readImageText(host, image, file) },
        ];
      }
      const text =
        tree.at(file) === undefined ? NO_TEXT : readLayerText(host, change);
      return [name, { entry: entries.get(change), ...text }];
    }),
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
    stands: (file) => {
      const bytes = Buffer.from(file).toString("latin1");
      const target = tree.resolve(bytes);
      return target !== undefined && tree.at(target) !== undefined;
    },
  };
}

/** What has put a file into the tree, or removed it; `undefined` where the image has it. */
function findChange(
  tree: MergedTree,
  changes: readonly EntryChange[],
  file: string,
): EntryChange | undefined {
  const found = tree.at(file);
  return changes.findLast(({ entry, effect, target }) =>
    found === undefined
      ? !["skip", "merge"].includes(effect) &&
        (target === file || isBelow(file, target))
      : entry === found,
  );
}

type Text = Omit<FinalText, "entry">;

const NO_TEXT: Text = { text: undefined, unchecked: undefined };

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

function readImageText(host: Host, image: string, file: string): Text {
  try {
    const bytes = readBytesIn(host, image, file, MAX_TEXT_BYTES);
    return { text: bytes?.toString("utf8"), unchecked: undefined };
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    return { text: undefined, unchecked: "is no file of at most 1 MiB" };
  }
}

/** Each is looked for on all devices: of more roots than any fstab has, the others stay unknown. */
const MAX_LOOKED_UP = 16;

/**
 * Tells whether sources of an fstab are the filesystem that `root=` names, however they are written.
 * @param root `undefined` where the kernel options do not say
 * @throws HelperError
 */
async function createRootComparison(
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
