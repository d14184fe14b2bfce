import { BootError, systemErrorCode } from "../../runtime/base/errors.ts";
import { followIn } from "../../runtime/host/follow-in.ts";
import type { Host } from "../../runtime/host/host.ts";
import {
  bytesOf,
  showPath,
  type ListedLayer,
} from "../../runtime/tree/layer.ts";
import { becomesGap, gapOf } from "../../runtime/disk/subvolume-gaps.ts";
import type { EntryChange } from "../../runtime/tree/merge-plan.ts";
import type { MergedTree } from "../../runtime/tree/merged-tree.ts";
import { safeMode } from "../../runtime/tree/safe-mode.ts";
import type { CheckedAttributes, CheckedEntry } from "./rules/check-facts.ts";

/** Where keys are, by their names; a public one is often called so, too. */
const KEY_NAME = /(?:\.(?:key|pem)|_key|_rsa|_ed25519|_ecdsa)$/;
const PRIVATE_KEY = /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----/;
const PROBED_BYTES = 4096;

/**
 * Looks at each entry of the layers: whether it can be read, whose it is, and whether it is a key.
 * @param tree as it is after all layers
 */
export function readEntries(
  host: Host,
  layers: readonly ListedLayer[],
  image: string,
  changes: readonly EntryChange[],
  tree: MergedTree,
): ReadonlyMap<EntryChange, CheckedEntry> {
  return new Map(
    changes.map((change) => {
      const { entry, effect, target, through, replaced, layer } = change;
      const isCopied = ["add", "replace", "merge"].includes(effect);
      const isFile = isCopied && entry.kind === "file";
      return [
        change,
        {
          layer: layers.indexOf(layer),
          path: showPath(change.path),
          kind: entry.kind,
          effect,
          replaced: replaced ?? null,
          target: showPath(target),
          through: through === undefined ? null : showPath(through),
          attributes: attributesIn(host, change),
          ofImage:
            effect === "merge" && !layer.isOwnerless
              ? attributesOfImage(host, image, target)
              : undefined,
          isCovered: isCopied && tree.at(target) !== entry,
          ...(isFile ? probe(host, change) : NOT_PROBED),
        },
      ];
    }),
  );
}

function attributesIn(
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
function attributesOfImage(
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

type Probe = Pick<CheckedEntry, "refused" | "holdsPrivateKey">;

const NOT_PROBED: Probe = { refused: undefined, holdsPrivateKey: false };

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
  const text = KEY_NAME.test(path) ? start.toString("latin1") : "";
  return { ...NOT_PROBED, holdsPrivateKey: PRIVATE_KEY.test(text) };
}
