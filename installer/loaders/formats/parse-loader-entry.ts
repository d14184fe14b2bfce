import { addValue, stubInitrds, type ParsedEntry } from "./boot-entry.ts";
import { initrdPaths, kernelPath, type Entry, formatCmdline } from "./entry.ts";
import { cannotWrite } from "./readable.ts";

/**
 * Parses an entry of systemd-boot: a file of loader/entries.
 * @param name the file's own, without a directory
 * @returns `undefined` where it starts no Linux kernel
 * @see https://uapi-group.org/specifications/specs/boot_loader_specification/#type-1-boot-loader-specification-entries
 */
export function parseLoaderEntry(
  name: string,
  text: string,
): ParsedEntry | undefined {
  const values = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const [, key = "", value = ""] =
      /^([^\s#]\S*)\s+(.*)$/.exec(line.trim()) ?? [];
    if (key === "" || value === "") continue;
    addValue(values, key, value);
  }
  const kernel = values.get("linux")?.at(-1);
  if (kernel === undefined) return undefined;
  const options = (values.get("options") ?? []).join(" ");
  const title = values.get("title")?.at(-1);
  const version = values.get("version")?.at(-1);
  return {
    title: title ?? name.replace(/(?:\+\d+(?:-\d+)?)?\.conf$/, ""),
    ...(title !== undefined &&
      version !== undefined && { title: `${title} (${version})` }),
    kernel,
    // GRUB's reader takes several in one line, and Fedora has a variable of GRUB's there; in a name
    // may be blanks.
    initrds: [
      ...(values.get("initrd") ?? [])
        .flatMap((value) => value.split(/\s+(?=[/$])/))
        .filter((name) => !/^\$\w+$/.test(name)),
      ...stubInitrds(options),
    ],
    options,
  };
}

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
