import { initrdPaths, kernelPath, type Entry } from "./entry.ts";
import { formatOption } from "./kernel-option.ts";
import { cannotWrite } from "./text-error.ts";

/**
 * A menu entry. Paths are from the top level of a btrfs, whatever its default subvolume is.
 * @throws BootError ENTRY_UNSUITABLE
 * @see https://www.gnu.org/software/grub/manual/grub/grub.html (menuentry, Quoting)
 */
export function formatGrub(entry: Entry): string {
  const { filesystem } = entry.kernel;
  const { partition, type, uuid = "" } = filesystem;
  // GRUB puts quotes around a word with a blank by itself, and a backslash before what would need one.
  const options = entry.options.map((option) => {
    const word = formatOption(option);
    if (/['"\\]/.test(word)) {
      throw cannotWrite("grub", word, "GRUB puts a backslash before it");
    }
    return quote(word);
  });
  const modules = [
    ...(partition === undefined
      ? []
      : [partition.isGpt ? "part_gpt" : "part_msdos"]),
    type === "vfat" ? "fat" : type.startsWith("ext") ? "ext2" : type,
  ];
  const lines = [
    ...entry.comments.map((comment) => `# ${comment}`),
    ...modules.map((module) => `insmod ${module}`),
    `search --no-floppy --fs-uuid --set=root ${quote(uuid)}`,
    ["linux", quote(kernelPath(entry)), ...options].join(" "),
    ["initrd", ...initrdPaths(entry).map(quote)].join(" "),
  ];
  return `menuentry ${quote(entry.title)} --id dockroot {\n${lines.map((line) => `    ${line}\n`).join("")}}\n`;
}

/** As it is where nothing in it means anything to GRUB; else in single quotes, where nothing does. */
function quote(word: string): string {
  if (/\p{Cc}/u.test(word)) {
    throw cannotWrite("grub", word, "it has a control character in it");
  }
  return /^[\w@%+=:,./-]+$/.test(word)
    ? word
    : `'${word.replaceAll("'", "'\\''")}'`;
}
