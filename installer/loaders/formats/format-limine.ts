import { initrdPaths, kernelPath, type Entry } from "./entry.ts";
import { formatCmdline } from "./kernel-option.ts";
import { cannotWrite } from "./text-error.ts";

/**
 * An entry of limine.conf, as of Limine 9.
 * @throws BootError ENTRY_UNSUITABLE
 * @see https://github.com/limine-bootloader/limine/blob/trunk/CONFIG.md
 */
export function formatLimine(entry: Entry): string {
  const resource = nameResource(entry);
  const place = (file: string) => {
    // A number sign begins a file's hash.
    if (/[#\\]/.test(file)) {
      throw cannotWrite("limine", file, "it has a # or a backslash");
    }
    return resource + file;
  };
  const lines: (readonly [key: string, value: string])[] = [
    ["protocol", "linux"],
    ["path", place(kernelPath(entry))],
    ...initrdPaths(entry).map((file) => ["module_path", place(file)] as const),
    ["cmdline", formatCmdline(entry.options)],
  ];
  return [
    ...entry.comments.map((comment) => `# ${comment}\n`),
    `/${entry.title.replaceAll("/", " ")}\n`,
    ...lines.map(([key, value]) => {
      if (value !== value.trim() || /\p{Cc}|\$\{/u.test(value)) {
        throw cannotWrite("limine", value, "it would read it as another text");
      }
      return `    ${key}: ${value}\n`;
    }),
  ].join("");
}

/** @throws BootError ENTRY_UNSUITABLE */
function nameResource({ isOnLoadersFilesystem, kernel }: Entry): string {
  if (isOnLoadersFilesystem) return "boot():";
  const { device, partition } = kernel.filesystem;
  if (partition?.isGpt !== true || partition.uuid === undefined) {
    throw cannotWrite(
      "limine",
      device,
      "it is neither where limine.conf is, nor a GPT partition",
    );
  }
  return `guid(${partition.uuid}):`;
}
