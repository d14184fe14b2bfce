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
import { safeMode } from "../../runtime/tree/safe-mode.ts";
import type { Attributes, CheckedEntry } from "./rules/check-facts.ts";
import type { FinalTree } from "./final-tree.ts";

/** Where keys are, by their names; a public one is often called so, too. */
const KEY_NAME = /(?:\.(?:key|pem)|_key|_rsa|_ed25519|_ecdsa)$/;
const PRIVATE_KEY = /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----/;
const PROBED_BYTES = 4096;
const NO_ATTRIBUTES: Attributes = { mode: 0, uid: 0, gid: 0, sizeBytes: 0 };

/** Looks at each entry of the layers: that it can be read, whose it is, and whether it is a key. */
export function readEntries(
  host: Host,
  layers: readonly ListedLayer[],
  image: string,
  changes: readonly EntryChange[],
  final: FinalTree,
): ReadonlyMap<EntryChange, CheckedEntry> {
  const numbers = new Map(layers.map((layer, number) => [layer, number]));
  return new Map(
    changes.map((change) => {
      const { kind, effect, target, through, replaced, layer } = change;
      const file = bytesOf(layer.at, change.path);
      const isCopied = ["add", "replace", "merge"].includes(effect);
      const found = final.at(target);
      return [
        change,
        {
          layer: numbers.get(layer) ?? 0,
          path: showPath(change.path),
          ...{ kind, effect, replaced: replaced ?? null },
          target: showPath(target),
          through: through === undefined ? null : showPath(through),
          attributes: attributesIn(host, change, file),
          ofImage:
            effect === "merge" && !layer.isOwnerless
              ? attributesOfImage(host, image, target)
              : undefined,
          isCovered:
            isCopied && !(found.from === "layer" && found.change === change),
          ...(isCopied && kind === "file"
            ? probe(host, file, change.path)
            : { refused: undefined, holdsPrivateKey: false }),
        },
      ];
    }),
  );
}

function attributesIn(
  host: Host,
  { layer, path, kind }: EntryChange,
  file: Buffer,
): Attributes {
  const found = host.files.statusOf(file) ?? NO_ATTRIBUTES;
  return layer.isOwnerless
    ? { ...found, mode: safeMode(path, kind), uid: 0, gid: 0 }
    : found;
}

/** @param target may lead through a symlink that is the layers' alone: it is followed inside the image */
function attributesOfImage(
  host: Host,
  image: string,
  target: string,
): Attributes | undefined {
  const directory = followIn(host, image, target);
  const status =
    directory === undefined ? undefined : host.files.statusOf(directory);
  return status !== undefined && becomesGap(status)
    ? { ...status, ...gapOf(target, status) }
    : status;
}

function probe(
  host: Host,
  file: Buffer,
  name: string,
): Pick<CheckedEntry, "refused" | "holdsPrivateKey"> {
  let start: Buffer | undefined;
  try {
    start = host.files.readStart(file, PROBED_BYTES)?.bytes;
  } catch (error) {
    const cause = error instanceof BootError ? error.cause : error;
    const refused = systemErrorCode(cause);
    if (refused === undefined) throw error;
    return { refused, holdsPrivateKey: false };
  }
  if (start === undefined) return { refused: "ENOENT", holdsPrivateKey: false };
  const text = KEY_NAME.test(name) ? start.toString("latin1") : "";
  return { refused: undefined, holdsPrivateKey: PRIVATE_KEY.test(text) };
}
