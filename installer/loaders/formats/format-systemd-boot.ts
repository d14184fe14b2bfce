import { initrdPaths, kernelPath, type Entry } from "./entry.ts";
import { formatCmdline } from "./kernel-option.ts";
import { cannotWrite } from "./text-error.ts";

/**
 * A file of loader/entries.
 * @throws BootError ENTRY_UNSUITABLE
 * @see https://uapi-group.org/specifications/specs/boot_loader_specification/ (Type #1)
 */
export function formatSystemdBoot(entry: Entry): string {
  const { version } = entry.kernel;
  for (const file of [kernelPath(entry), ...initrdPaths(entry)]) {
    // Other readers of such files take several paths in one line.
    if (/[\s\\]/.test(file)) {
      throw cannotWrite("systemd-boot", file, "it has a blank or a backslash");
    }
  }
  const lines: (readonly [key: string, value: string])[] = [
    ["title", entry.title],
    ...(version === undefined ? [] : [["version", version] as const]),
    ["linux", kernelPath(entry)],
    ...initrdPaths(entry).map((file) => ["initrd", file] as const),
    ["options", formatCmdline(entry.options)],
  ];
  return [
    ...entry.comments.map((comment) => `# ${comment}\n`),
    ...lines.map(([key, value]) => {
      // A value goes to the end of its line, the blanks around it left out.
      if (value !== value.trim() || /\p{Cc}/u.test(value)) {
        throw cannotWrite("systemd-boot", value, "a line cannot hold it");
      }
      return `${key.padEnd(8)}${value}\n`;
    }),
  ].join("");
}
