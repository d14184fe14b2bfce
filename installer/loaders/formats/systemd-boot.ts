import {
  cannotWrite,
  formatComments,
  menuFile,
  whyMapped,
  whyNotFat,
  type BootLoader,
  addValue,
  stubInitrds,
  type MenuEntry,
  type NewEntry,
} from "./boot-loader.ts";

/** systemd-boot: a file of its own for each entry, on the partition that has the kernel. */
export const systemdBoot: BootLoader = {
  name: "systemd-boot",
  title: "systemd-boot",
  files: [
    "loader/loader.conf",
    "EFI/systemd/systemd-bootx64.efi",
    "EFI/systemd/systemd-bootaa64.efi",
  ],
  findMenus: (root, namesIn) =>
    namesIn(`${root}/loader/entries`)
      .filter((name) => name.endsWith(".conf"))
      .map((name) =>
        menuFile("systemd-boot", `${root}/loader/entries/${name}`, (text) => {
          const entry = parseLoaderEntry(name, text);
          return entry === undefined ? [] : [entry];
        }),
      ),
  whyUnreadable: ({ filesystem, mountPoint }) =>
    whyNotFat(systemdBoot, filesystem) ??
    whyMapped(systemdBoot, filesystem) ??
    (mountPoint === undefined
      ? `${filesystem.device} is not mounted`
      : undefined),
  findTarget: (_, { mountPoint }) =>
    mountPoint === undefined
      ? undefined
      : `${mountPoint}/loader/entries/dockroot.conf`,
  format: formatSystemdBoot,
};

/**
 * Parses an entry of systemd-boot: a file of loader/entries.
 * @param name the file's own, without a directory
 * @returns `undefined` where it starts no Linux kernel
 * @see https://uapi-group.org/specifications/specs/boot_loader_specification/#type-1-boot-loader-specification-entries
 */
export function parseLoaderEntry(
  name: string,
  text: string,
): MenuEntry | undefined {
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
function formatSystemdBoot(entry: NewEntry): string {
  const { kernel, initrds, version } = entry;
  for (const file of [kernel, ...initrds]) {
    // Other readers of such files take several paths in one line.
    if (/[\s\\]/.test(file)) {
      throw cannotWrite(systemdBoot, file, "it has a blank or a backslash");
    }
  }
  const lines: (readonly [key: string, value: string])[] = [
    ["title", entry.title],
    ...(version === undefined ? [] : [["version", version] as const]),
    ["linux", kernel],
    ...initrds.map((file) => ["initrd", file] as const),
    ["options", entry.options],
  ];
  return [
    formatComments(entry),
    ...lines.map(([key, value]) => {
      // A value goes to the end of its line, the blanks around it left out.
      if (value !== value.trim() || /\p{Cc}/u.test(value)) {
        throw cannotWrite(systemdBoot, value, "a line cannot hold it");
      }
      return `${key.padEnd(8)}${value}\n`;
    }),
  ].join("");
}
