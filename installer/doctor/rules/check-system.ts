import { uncheckedOf } from "../../install/plan/helper-version.ts";
import { formatSize } from "../../text/human.ts";
import type { BootRoom, DoctorFacts } from "./facts.ts";
import {
  nameEntry,
  noRoot,
  ok,
  stops,
  unknown,
  warning,
  type Finding,
} from "./finding.ts";

/** The configuration of the system here, where no boot reads it. */
export function* checkConfig({
  config,
  starts,
}: DoctorFacts): Iterable<Finding> {
  const { source, failure, warnings, image } = config;
  if (failure !== undefined) {
    const why = [failure.message, ...failure.causes].join(": ");
    yield stops("options", why, failure.hint ?? "Correct the file.");
    return;
  }
  for (const text of warnings) {
    yield warning(
      "options",
      text,
      "Correct or remove it, then rebuild the initramfs: dockroot install.",
    );
  }
  if (source !== undefined) {
    yield image === undefined
      ? unknown(
          "options",
          `${source.file} names no image: the kernel options must`,
        )
      : ok("options", `${source.file} names the image ${image}`);
  } else if (starts.length === 0) {
    yield unknown(
      "options",
      "there is no /etc/dockroot.json: the kernel options must name the image",
      'Write { "docker_image": "NAME", "docker_tag": "TAG" } into it, or docker_image=NAME:TAG into the boot menu entry.',
    );
  }
}

/** Whether anything boots an image at all. */
export function* checkMenus({
  menus,
  starts,
  place,
}: DoctorFacts): Iterable<Finding> {
  const { entryCount, unreadable, unseen, notInGrub } = menus;
  const found = String(entryCount);
  for (const { file, why } of unreadable) {
    yield unknown("boot-entries", `cannot read the entries of ${file}: ${why}`);
  }
  for (const why of unseen) {
    yield unknown("boot-entries", `a boot partition is not mounted: ${why}`);
  }
  for (const entry of notInGrub) {
    yield warning(
      "boot-entries",
      `${nameEntry(entry)} is not in grub.cfg`,
      "Run update-grub, or grub-mkconfig -o /boot/grub/grub.cfg.",
    );
  }
  const ours = starts.flatMap(({ entries }) => entries).length;
  if (ours > 0) {
    yield ok(
      "boot-entries",
      `entries that boot an image: ${String(ours)} of the ${found} found`,
    );
  } else if (place.kind === "elsewhere") {
    yield unknown(
      "boot-entries",
      "kernel options, boot menu entries and disks were not checked: this is not the running system",
    );
  } else if (starts.some((start) => start.isThisStart)) {
    yield unknown(
      "boot-entries",
      entryCount === 0
        ? "no boot menu was found, so this boot's entry could not be checked"
        : `none of the ${found} boot menu entries found boots an image, so this boot's entry could not be checked`,
    );
  } else {
    yield warning(
      "boot-entries",
      `no boot menu entry of rEFInd, systemd-boot, GRUB or Limine boots an image (${found} found)`,
      "Run dockroot upgrade, which makes one of an image, or dockroot boot-entry to print one for this machine.",
    );
  }
}

/** A boot writes little more than metadata, and what the top layer brings. */
const LEAST_BYTES = 100e6;
/** A system is pulled, and its predecessor kept. */
const GOOD_BYTES = 2e9;
/** Of a kernel and an initramfs with dockroot in it, where none are there to be measured. */
const BOOT_FILES_BYTES = 120e6;
/** An overlay has directories of its own, for itself and for each layer, and files that the top layer brings. */
const LEAST_INODES = 2000;
const GOOD_INODES = 200_000;
/** What the kernel mounts as one overlay, as far as it was tried. */
const MAX_LAYERS = 450;
const MANY_LAYERS = 400;
/** Nobody runs out of room soon. */
const MANY_DEPLOYMENTS = 10;

const FREE_DISK =
  "Delete earlier roots below .dockroot (see dockroot.generations=), or images (docker image prune).";

/** Room on the image store's filesystem, and on boot partitions. */
export function* checkSpace({
  starts,
  bootRooms,
}: DoctorFacts): Iterable<Finding> {
  for (const { outcome, former } of starts) {
    if (outcome.kind !== "planned") continue;
    const { device, room, layerCount = 0 } = outcome.disk;
    if (layerCount >= MANY_LAYERS) {
      yield warning(
        "image",
        `${outcome.image.reference} has ${String(layerCount)} layers, and no more than ${String(MAX_LAYERS)} can be mounted`,
        "Build the image with fewer steps, or squash it (docker build --squash, podman build --squash-all).",
      );
    }
    const { freeInodes } = room;
    if (
      outcome.disk.isOverlay &&
      freeInodes !== undefined &&
      freeInodes < GOOD_INODES
    ) {
      const message = `${device} has room for ${String(freeInodes)} more files`;
      yield freeInodes < LEAST_INODES
        ? noRoot(
            former,
            "space",
            `${message}: too few for a new root`,
            FREE_DISK,
          )
        : warning(
            "space",
            `${message}: maybe too few for the next image`,
            FREE_DISK,
          );
    }
    const text = describeRoom(device, room);
    if (room.freeBytes < LEAST_BYTES) {
      const message = `${text}: too little for a new root`;
      yield noRoot(former, "space", message, FREE_DISK);
    } else if (room.freeBytes < GOOD_BYTES) {
      yield warning(
        "space",
        `${text}: maybe too little for the next image`,
        FREE_DISK,
      );
    } else yield ok("space", text);
  }
  for (const { mountPoint, room, largestBytes } of bootRooms) {
    const needed = largestBytes === 0 ? BOOT_FILES_BYTES : largestBytes;
    const count = Math.floor(room.freeBytes / needed);
    const isWorthTelling = largestBytes > 0 && count < MANY_DEPLOYMENTS;
    const text = [
      describeRoom(mountPoint, room),
      ...(count === 0 || isWorthTelling ? [describeCount(count, needed)] : []),
    ].join(": ");
    yield count === 0
      ? warning(
          "space",
          text,
          "Remove deployments that you do not need (dockroot deployments, dockroot remove N), or old kernels and initramfs images there.",
        )
      : ok("space", text);
  }
}

function describeCount(count: number, bytes: number): string {
  const size = formatSize(bytes);
  if (count === 0) return `no room for one more deployment, of about ${size}`;
  return `room for ${String(count)} more ${count === 1 ? "deployment" : "deployments"}, of about ${size}`;
}

function describeRoom(
  place: string,
  { freeBytes, totalBytes }: BootRoom["room"],
): string {
  return `${place} has ${formatSize(freeBytes)} free of ${formatSize(totalBytes)}`;
}

/** The programs that dockroot calls. A machine that boots no image yet need not have all of them. */
export function* checkHelperPrograms({
  helpers,
  place,
  starts,
}: DoctorFacts): Iterable<Finding> {
  const isImage =
    place.kind === "elsewhere" || starts.some((start) => start.isThisStart);
  const tell = isImage ? stops : warning;
  const bad = helpers.filter(({ problem }) => problem !== undefined);
  for (const { problem = "", remedy = "Install it." } of bad) {
    yield tell("helpers", problem, remedy);
  }
  const unchecked = uncheckedOf(helpers);
  if (unchecked.length > 0) {
    yield unknown(
      "helpers",
      `not checked, since no program of that system is run: the versions of ${unchecked.join(", ")}`,
    );
  } else if (bad.length === 0) {
    const names = helpers.map(({ name, version = "" }) => `${name} ${version}`);
    yield ok("helpers", names.join(", "));
  }
}
