import path from "node:path";
import {
  BootError,
  HelperError,
  systemErrorCode,
} from "../../runtime/base/errors.ts";
import { findEngineArtifacts } from "../../runtime/boot/bootable.ts";
import { readMounts } from "../../runtime/disk/mounts.ts";
import { becomesGap, gapOf } from "../../runtime/disk/subvolume-gaps.ts";
import { followIn } from "../../runtime/host/follow-in.ts";
import type { Host } from "../../runtime/host/host.ts";
import { findDevice } from "../system/find-device.ts";
import { readSnapshotTree } from "../../runtime/toplayer/snapshot-tree.ts";
import {
  bytesOf,
  showPath,
  type ListedLayer,
} from "../../runtime/tree/layer.ts";
import type { EntryChange } from "../../runtime/tree/merge-plan.ts";
import { createMergedTree } from "../../runtime/tree/merged-tree.ts";
import { planMerge } from "../../runtime/tree/plan-merge.ts";
import { safeMode } from "../../runtime/tree/safe-mode.ts";
import { findCryptNames } from "../system/crypt-devices.ts";
import { findOpenedNames } from "../system/formats/crypttab.ts";
import {
  isMounted,
  locate,
  parseFstab,
  type FstabEntry,
} from "../system/formats/fstab.ts";
import {
  createFinalFiles,
  findFilled,
  readFinalText,
  readImageText,
} from "./final-files.ts";
import {
  TEXT_FILES,
  type BootTarget,
  type CheckedAttributes,
  type CheckedEntry,
  type CheckFacts,
  type FinalText,
  type TextFile,
} from "./rules/check-facts.ts";
import type { ImageTree } from "../system/image.ts";
import { isCopied } from "./rules/problem.ts";

/**
 * Plans the merge, and reads what the rules look at.
 * @throws BootError TOPLAYER_UNSUITABLE
 */
export async function gatherCheckFacts(
  host: Host,
  layers: readonly ListedLayer[],
  { root: image, leaf }: Pick<ImageTree, "root" | "leaf">,
  boot: BootTarget,
): Promise<CheckFacts> {
  const changes: EntryChange[] = [];
  const removed = findEngineArtifacts(host, image);
  const tree = createMergedTree(readSnapshotTree(host, image, { removed }));
  planMerge(layers, tree, (change) => {
    changes.push(change);
  });
  const nocow = await Promise.all(
    layers.map((layer) => findNocow(host, layer)),
  );
  const entries = new Map(
    changes.map((change) => {
      const isCovered =
        isCopied(change) && tree.at(change.target) !== change.entry;
      const layer = layers.indexOf(change.layer);
      const checked = checkEntry(host, image, change);
      const isNocow = nocow[layer]?.has(checked.path) === true;
      return [change, { ...checked, layer, isCovered, isNocow }];
    }),
  );
  const merged = { tree, changes };
  const texts = Object.fromEntries(
    TEXT_FILES.map((name): [TextFile, FinalText] => {
      const file = `etc/${name}`;
      const { change, ...text } = readFinalText(host, image, merged, file);
      return [name, { entry: change && entries.get(change), ...text }];
    }),
  ) as Record<TextFile, FinalText>;
  const mounts = parseFstab(texts.fstab.text ?? "").entries;
  const compared = [
    ...mounts.filter(({ mountPoint }) => mountPoint === "/"),
    ...mounts.filter(({ fsType }) => fsType === "btrfs"),
  ].map(({ source }) => source);
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
    imageHasFiles: findFilled(host, image, mounts),
    ...(await gatherCrypt(host, leaf, boot, mounts)),
    isRootFilesystem: await createRootComparison(host, boot.root, compared),
    ...createFinalFiles(host, image, merged),
  };
}

/** What of encrypted devices the fstab needs, and what is opened when it is read. @throws HelperError */
async function gatherCrypt(
  host: Host,
  leaf: string,
  { root, cmdline = "" }: BootTarget,
  mounts: readonly FstabEntry[],
): Promise<Pick<CheckFacts, "cryptNames" | "openedNames">> {
  // The image is on the filesystem of the root.
  const store = locate(readMounts(host), leaf)?.mount.source;
  const roots = [root, store].filter((source) => source !== undefined);
  const ofRoot = await findCryptNames(host, roots);
  return {
    cryptNames: await findCryptNames(
      host,
      mounts.filter(isMounted).map(({ source }) => source),
    ),
    openedNames: new Set([
      ...findOpenedNames(cmdline),
      ...[...ofRoot.values()].flat(),
    ]),
  };
}

/**
 * The files and directories of a layer that are NOCOW (chattr(1)), as people read their paths; none
 * where lsattr cannot tell.
 */
async function findNocow(
  host: Host,
  { at, isOwnerless }: ListedLayer,
): Promise<ReadonlySet<string>> {
  if (isOwnerless) return new Set();
  try {
    const { stdout } = await host.run(["lsattr", "-R", "-a", "--", at], {
      // Of sockets and the like it can tell nothing.
      okExitCodes: [0, 1],
    });
    const found = stdout
      .toString()
      .matchAll(/^[-A-Za-z]*C[-A-Za-z]* (\/.*)$/gm);
    return new Set(
      Array.from(found, ([, file = ""]) => `/${path.relative(at, file)}`),
    );
  } catch (error) {
    if (!(error instanceof HelperError)) throw error;
    return new Set();
  }
}

/** Looks at an entry: whose it is, whether it can be read, and whether it holds a secret. */
function checkEntry(
  host: Host,
  image: string,
  change: EntryChange,
): Omit<CheckedEntry, "layer" | "isCovered" | "isNocow"> {
  const { path, entry, effect, target, through, replaced, layer } = change;
  return {
    path: showPath(path),
    kind: entry.kind,
    effect,
    target: showPath(target),
    through: through === undefined ? null : showPath(through),
    replaced: replaced ?? null,
    attributes: readAttributes(host, change),
    ofImage:
      effect === "merge" && !layer.isOwnerless
        ? readImageAttributes(host, image, target)
        : undefined,
    ...(isCopied(change) && entry.kind === "file"
      ? probe(host, change)
      : NOT_PROBED),
  };
}

function readAttributes(
  host: Host,
  { layer, path, entry }: EntryChange,
): CheckedAttributes {
  const { mode, uid, gid, sizeBytes } = host.files.statusOf(
    bytesOf(layer.at, path),
  ) ?? { mode: 0, uid: 0, gid: 0, sizeBytes: 0 };
  return layer.isOwnerless
    ? { mode: safeMode(path, entry.kind), uid: 0, gid: 0, sizeBytes }
    : { mode, uid, gid, sizeBytes };
}

/** @param target may lead through a symlink that is the layers' alone: it is followed inside the image */
function readImageAttributes(
  host: Host,
  image: string,
  target: string,
): CheckedAttributes | undefined {
  const directory = followIn(host, image, target);
  const status =
    directory === undefined ? undefined : host.files.statusOf(directory);
  return status !== undefined && becomesGap(status)
    ? { ...status, ...gapOf(target, status) }
    : status;
}

/** Files that often hold a secret, by their names, and what those that do have in them. */
const SECRETS: readonly (readonly [name: RegExp, text: RegExp])[] = [
  // A public key is often called so, too.
  [
    /(?:\.(?:key|pem|ovpn)|_key|_rsa|_ed25519|_ecdsa)$/,
    /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----/,
  ],
  [/\.netdev(?:\.d\/[^/]*)?$/, /^\s*(?:PrivateKey|PresharedKey|Key)\s*=/m],
  [
    /(?:^|\/)netplan\/[^/]*\.yaml$/,
    /\b(?:password|client-key-password|private|shared|key|pin)"?\s*:\s*[^\s#{]/,
  ],
];
const PROBED_BYTES = 4096;

type Probe = Pick<CheckedEntry, "refused" | "holdsSecret">;

const NOT_PROBED: Probe = { refused: undefined, holdsSecret: false };

function probe(host: Host, { layer, path }: EntryChange): Probe {
  let start: Buffer | undefined;
  try {
    const file = bytesOf(layer.at, path);
    start = host.files.readStart(file, PROBED_BYTES)?.bytes;
  } catch (error) {
    const cause = error instanceof BootError ? error.cause : error;
    const refused = systemErrorCode(cause);
    if (refused === undefined) throw error;
    return { ...NOT_PROBED, refused };
  }
  if (start === undefined) return { ...NOT_PROBED, refused: "ENOENT" };
  const [, secret] = SECRETS.find(([name]) => name.test(path)) ?? [];
  const holdsSecret = secret?.test(start.toString("latin1")) ?? false;
  return { refused: undefined, holdsSecret };
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
  const device = await findDevice(host, source);
  return device?.uuid ?? device?.path;
}
