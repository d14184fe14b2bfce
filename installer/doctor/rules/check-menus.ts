import type { DoctorFacts } from "./facts.ts";
import { ok, unknown, warning, type Finding } from "./finding.ts";

/** Whether anything boots an image at all. */
export function checkMenus({ menus, starts, place }: DoctorFacts): Finding[] {
  const { entryCount, unreadable, notInGrub } = menus;
  const ours = starts.flatMap(({ entries }) => entries).length;
  const isThisStart = starts.some((start) => start.isThisStart);
  return [
    ...unreadable.map(({ file, why }) =>
      unknown("boot-entries", `the entries of ${file} are not known: ${why}`),
    ),
    ...notInGrub.map(({ file, title }) =>
      warning(
        "boot-entries",
        `the entry "${title}" of ${file} is not in grub.cfg`,
        "Run update-grub, or grub-mkconfig -o /boot/grub/grub.cfg.",
      ),
    ),
    ...(ours > 0
      ? [
          ok(
            "boot-entries",
            `${String(ours)} of the ${String(entryCount)} that were found boot an image`,
          ),
        ]
      : []),
    ...(ours === 0 && place.kind === "elsewhere"
      ? [
          unknown(
            "boot-entries",
            "kernel options, boot entries and disks are the machine's: this is not the running system",
          ),
        ]
      : []),
    ...(ours === 0 && place.kind === "running" && isThisStart
      ? [
          unknown(
            "boot-entries",
            `of the ${String(entryCount)} entries that were found none boots an image: that of this start is elsewhere`,
          ),
        ]
      : []),
    ...(ours === 0 && place.kind === "running" && !isThisStart
      ? [
          warning(
            "boot-entries",
            `no entry that boots an image was found, of rEFInd, systemd-boot, GRUB and Limine (${String(entryCount)} others were)`,
            "dockroot boot-entry makes one for this machine.",
          ),
        ]
      : []),
  ];
}
