import { escapeFstab } from "../../system/formats/fstab.ts";
import { quote } from "../../text/quote.ts";
import { programOf } from "../../engines/home.ts";
import type { DoctorFacts, PlannedFacts } from "./facts.ts";
import { ok, warning, type Finding } from "./finding.ts";
import { nameOf } from "./check-starts.ts";

/** Whether what is pulled comes into the store that is booted from: here, and in the new system. */
export function checkStoreMount({ starts }: DoctorFacts): Finding[] {
  return starts.flatMap((start) =>
    start.outcome.kind === "planned"
      ? [
          ...checkHere(nameOf(start), start.outcome),
          ...checkNewSystem(start.outcome),
        ]
      : [],
  );
}

function checkHere(name: string, { disk, tree }: PlannedFacts): Finding[] {
  const { isStoreOfEngine, storePath, root, engineDirectory } = disk;
  const pull = `${programOf(tree.store.home)} pull`;
  if (isStoreOfEngine !== false) return [];
  return [
    warning(
      "store-mount",
      `${name}: the image store ${storePath} of ${root} is not what is at ${engineDirectory} here: ${pull} fetches elsewhere`,
      `Mount it: ${["mount", "-o", `subvol=${storePath}`, root, engineDirectory].map(quote).join(" ")}`,
    ),
  ];
}

function checkNewSystem({ disk, tree }: PlannedFacts): Finding[] {
  const { what, store } = tree;
  if (!store.hasEngine) return [];
  const { mountPoint, by } = store;
  const pull = `${programOf(store.home)} pull`;
  const { storePath, root } = disk;
  const line = [root, mountPoint, "btrfs", `subvol=${storePath}`, "0", "0"]
    .map(escapeFstab)
    .join(" ");
  if (by === undefined) {
    return [
      warning(
        "store-mount",
        `${what}: nothing mounts the image store at ${mountPoint}: ${pull} in the new system fetches into the root, which the next start replaces`,
        `Add a line to the top layer's etc/fstab: ${line}`,
      ),
    ];
  }
  if (by.kind === "fstab" && by.problem !== undefined) {
    return [
      warning(
        "store-mount",
        `${what}: line ${String(by.line)} of its fstab mounts ${by.source} (${by.problem}), where the image store is ${storePath} of ${root}: ${pull} in the new system fetches elsewhere`,
        `Write: ${line}`,
      ),
    ];
  }
  const isAnother =
    by.kind === "fstab" &&
    by.subvolume !== undefined &&
    by.subvolume !== storePath;
  return isAnother
    ? [
        warning(
          "store-mount",
          `${what}: line ${String(by.line)} of its fstab mounts ${by.subvolume} at ${mountPoint}, where the kernel options name the image store ${storePath}`,
          `Write: ${line}`,
        ),
      ]
    : [
        ok(
          "store-mount",
          `${what}: ${by.kind === "fstab" ? `line ${String(by.line)} of its fstab` : by.file} mounts the image store at ${mountPoint}`,
        ),
      ];
}
