import type { DoctorFacts } from "./facts.ts";
import { ok, unknown, warning, type Finding } from "./finding.ts";

/** Whether anything boots an image at all. */
export function* checkMenus({
  menus,
  starts,
  place,
}: DoctorFacts): Iterable<Finding> {
  const { entryCount, unreadable, notInGrub } = menus;
  const found = String(entryCount);
  for (const { file, why } of unreadable) {
    yield unknown(
      "boot-entries",
      `the entries of ${file} are not known: ${why}`,
    );
  }
  for (const { file, title } of notInGrub) {
    yield warning(
      "boot-entries",
      `the entry "${title}" of ${file} is not in grub.cfg`,
      "Run update-grub, or grub-mkconfig -o /boot/grub/grub.cfg.",
    );
  }
  const ours = starts.flatMap(({ entries }) => entries).length;
  if (ours > 0) {
    yield ok(
      "boot-entries",
      `${String(ours)} of the ${found} that were found boot an image`,
    );
  } else if (place.kind === "elsewhere") {
    yield unknown(
      "boot-entries",
      "kernel options, boot entries and disks are the machine's: this is not the running system",
    );
  } else if (starts.some((start) => start.isThisStart)) {
    yield unknown(
      "boot-entries",
      `of the ${found} entries that were found none boots an image: that of this boot is elsewhere`,
    );
  } else {
    yield warning(
      "boot-entries",
      `no entry that boots an image was found, of rEFInd, systemd-boot, GRUB and Limine (${found} others were)`,
      "dockroot boot-entry makes one for this machine.",
    );
  }
}
