import { escapeFstab } from "../../system/formats/fstab.ts";
import { quote } from "../../../runtime/base/quote.ts";
import { programOf } from "../../engines/engine-configs.ts";
import type { DoctorFacts, PlannedFacts } from "./facts.ts";
import { ok, warning, type Finding } from "./finding.ts";
import { nameOf } from "./check-starts.ts";

/** Whether what is pulled comes into the store that is booted from: here, and in the new system. */
export function* checkStoreMount({ starts }: DoctorFacts): Iterable<Finding> {
  for (const start of starts) {
    if (start.outcome.kind !== "planned") continue;
    yield* checkHere(nameOf(start), start.outcome);
    if (start.outcome.tree.store.hasEngine) {
      yield checkNewSystem(start.outcome);
    }
  }
}

function* checkHere(
  name: string,
  { disk, tree }: PlannedFacts,
): Iterable<Finding> {
  const { isStoreOfEngine, storePath, root, engineDirectory } = disk;
  if (isStoreOfEngine !== false) return;
  const mount = ["mount", "-o", `subvol=${storePath}`, root, engineDirectory];
  yield warning(
    "store-mount",
    `${name}: the image store ${storePath} of ${root} is not what is at ${engineDirectory} here: ${programOf(tree.store.home)} pull fetches elsewhere`,
    `Mount it: ${mount.map(quote).join(" ")}`,
  );
}

function checkNewSystem({ disk, tree }: PlannedFacts): Finding {
  const { what, store } = tree;
  const { mountPoint, by } = store;
  const pull = `${programOf(store.home)} pull`;
  const { storePath, root } = disk;
  const line = [root, mountPoint, "btrfs", `subvol=${storePath}`, "0", "0"]
    .map(escapeFstab)
    .join(" ");
  if (by === undefined) {
    return warning(
      "store-mount",
      `${what}: nothing mounts the image store at ${mountPoint}: ${pull} in the new system fetches into the root, which the next boot replaces`,
      `Add a line to the top layer's etc/fstab: ${line}`,
    );
  }
  const isLine = by.kind === "fstab";
  const mounter = isLine ? `line ${String(by.line)} of its fstab` : by.file;
  if (isLine && by.problem !== undefined) {
    return warning(
      "store-mount",
      `${what}: ${mounter} mounts ${by.source} (${by.problem}), where the image store is ${storePath} of ${root}: ${pull} in the new system fetches elsewhere`,
      `Write: ${line}`,
    );
  }
  return isLine && by.subvolume !== undefined && by.subvolume !== storePath
    ? warning(
        "store-mount",
        `${what}: ${mounter} mounts ${by.subvolume} at ${mountPoint}, where the kernel options name the image store ${storePath}`,
        `Write: ${line}`,
      )
    : ok(
        "store-mount",
        `${what}: ${mounter} mounts the image store at ${mountPoint}`,
      );
}
