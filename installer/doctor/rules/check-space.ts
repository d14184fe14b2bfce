import type { Room } from "../../../runtime/host/files.ts";
import { formatSize } from "../../text/human.ts";
import type { BootRoom, DoctorFacts } from "./facts.ts";
import { ok, stops, warning, type Finding } from "./finding.ts";

/** A boot writes little more than metadata, and what the top layer brings. */
const LEAST_BYTES = 100e6;
/** A system is pulled, and its predecessor kept. */
const GOOD_BYTES = 2e9;
/** Of an initramfs with dockroot in it, where none is there to be measured. */
const INITRAMFS_BYTES = 120e6;

/** Room on the image store's filesystem, and on boot partitions. */
export function* checkSpace({
  starts,
  bootRooms,
}: DoctorFacts): Iterable<Finding> {
  const disks = new Map<string, Room>();
  for (const { outcome } of starts) {
    if (outcome.kind === "planned") {
      disks.set(outcome.disk.device, outcome.disk.room);
    }
  }
  for (const [device, room] of disks) yield checkDisk(device, room);
  yield* bootRooms.map(checkBootRoom);
}

function checkDisk(device: string, { freeBytes, totalBytes }: Room): Finding {
  const text = `${device} has ${formatSize(freeBytes)} free of ${formatSize(totalBytes)}`;
  const remedy =
    "Delete what is not needed: former roots below .dockroot (dockroot.generations=), or images (docker image prune).";
  if (freeBytes < LEAST_BYTES) {
    return stops("space", `${text}: too little for a new root`, remedy);
  }
  return freeBytes < GOOD_BYTES
    ? warning("space", `${text}: little for the next image`, remedy)
    : ok("space", text);
}

function checkBootRoom({ mountPoint, room, largestBytes }: BootRoom): Finding {
  const needed = largestBytes === 0 ? INITRAMFS_BYTES : largestBytes;
  const text = `${mountPoint} has ${formatSize(room.freeBytes)} free of ${formatSize(room.totalBytes)}`;
  return room.freeBytes < needed
    ? warning(
        "space",
        `${text}: too little for a new initramfs beside the former one (about ${formatSize(needed)})`,
        "Remove old kernels and initramfs images there, or put them on the btrfs partition, where the boot loader can read that.",
      )
    : ok("space", text);
}
