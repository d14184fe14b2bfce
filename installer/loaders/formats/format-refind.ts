import { BootError } from "../../../runtime/base/errors.ts";
import { initrdPaths, kernelPath, type Entry } from "./entry.ts";
import type { Filesystem } from "../plan/entry-facts.ts";
import { formatCmdline } from "./kernel-option.ts";
import { cannotWrite } from "./text-error.ts";

/**
 * A manual boot stanza.
 * @throws BootError ENTRY_UNSUITABLE
 * @see https://www.rodsbooks.com/refind/configfile.html (Creating Manual Boot Stanzas)
 */
export function formatRefind(entry: Entry): string {
  const initrds = initrdPaths(entry);
  for (const initrd of initrds) refuseInitrd(initrd);
  const [initrd = "", ...more] = initrds;
  // A stanza has one initrd: several are for the kernel itself to load.
  const inOptions =
    more.length === 0
      ? ""
      : initrds.map((file) => `initrd=${file.replaceAll("/", "\\")} `).join("");
  const lines = [
    ...entry.comments.map((comment) => `# ${comment}`),
    ...(entry.isOnLoadersFilesystem
      ? []
      : [`volume ${quote(nameVolume(entry.kernel.filesystem))}`]),
    `loader ${quote(kernelPath(entry))}`,
    ...(more.length === 0 ? [`initrd ${quote(initrd)}`] : []),
    `options ${quote(inOptions + formatCmdline(entry.options))}`,
  ];
  return `menuentry ${quote(entry.title)} {\n${lines.map((line) => `    ${line}\n`).join("")}}\n`;
}

/** Always in quotes, in which a quote is doubled: outside of them `=` and `,` separate. */
function quote(text: string): string {
  if (!/^[\x20-\x7e]*$/.test(text)) {
    throw cannotWrite("refind", text, "it reads plain ASCII alone");
  }
  return `"${text.replaceAll('"', '""')}"`;
}

/** It becomes initrd= on the kernel's command line, which the kernel's EFI stub cuts at blanks. */
function refuseInitrd(file: string): void {
  if (/\s/.test(file)) {
    throw cannotWrite("refind", file, "it has a blank in it");
  }
  if (file.includes("\\")) {
    throw cannotWrite("refind", file, "a backslash stands for a slash");
  }
}

/** @throws BootError ENTRY_UNSUITABLE */
function nameVolume({
  device,
  type,
  label,
  isLabelUnique,
  partition,
}: Filesystem): string {
  if (label !== undefined && isLabelUnique && /^[\x20-\x7e]+$/.test(label)) {
    return label;
  }
  if (partition?.isGpt === true && partition.uuid !== undefined) {
    return partition.uuid;
  }
  throw new BootError(
    "ENTRY_UNSUITABLE",
    `rEFInd has no name for the filesystem on ${device}: it has no label of its own, and is on no GPT partition`,
    {
      hint:
        type === "btrfs"
          ? "Give it one: btrfs filesystem label MOUNTPOINT NAME."
          : "Give it a label that no other filesystem has.",
    },
  );
}
