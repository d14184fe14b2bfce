import type { OpenFile } from "../../../runtime/host/read-file.ts";
import { readUki } from "../../system/formats/uki.ts";
import {
  formatComments,
  menuFile,
  refuse,
  stubInitrds,
  valuesOf,
  whyMapped,
  whyNotFat,
  type BootLoader,
  type KeyValue,
  type MenuEntry,
  type MenuFile,
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
  findMenus: (root, namesIn) => [
    ...namesIn(`${root}/loader/entries`)
      .filter((name) => name.endsWith(".conf"))
      .map((name) =>
        menuFile("systemd-boot", `${root}/loader/entries/${name}`, (text) => {
          const entry = parseLoaderEntry(name, text);
          return entry === undefined ? [] : [entry];
        }),
      ),
    ...namesIn(`${root}/${UKI_DIRECTORY}`)
      .filter((name) => /\.efi$/i.test(name))
      .map((name) => findUki(root, name)),
  ],
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

const UKI_DIRECTORY = "EFI/Linux";

/**
 * A unified kernel image, which is an entry by itself.
 * @see https://uapi-group.org/specifications/specs/boot_loader_specification/ (Type #2)
 */
function findUki(root: string, name: string): MenuFile {
  const onVolume = `/${UKI_DIRECTORY}/${name}`;
  const readParts = (file: OpenFile) => {
    const uki = readUki(file);
    if (uki === undefined) return { entries: [] };
    const { title, version, cmdline = "", initrd } = uki;
    const entry: MenuEntry = {
      title: nameEntry(name, title, version),
      kernel: onVolume,
      initrds: initrd === undefined ? [] : [onVolume],
      options: cmdline,
      isUki: true,
    };
    return { entries: [entry] };
  };
  return { loader: "systemd-boot", file: root + onVolume, readParts };
}

function nameEntry(
  file: string,
  title: string | undefined,
  version: string | undefined,
): string {
  // Behind a plus sign boots are counted.
  if (title === undefined) return file.replace(/(?:\+\d+(?:-\d+)?)?\.\w+$/, "");
  return version === undefined ? title : `${title} (${version})`;
}

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
  const lines = text.split("\n").flatMap((line): KeyValue[] => {
    const [, key, value] = /^([^\s#]\S*)\s+(.+)$/.exec(line.trim()) ?? [];
    return key === undefined || value === undefined ? [] : [[key, value]];
  });
  const last = (key: string) => valuesOf(lines, key).at(-1);
  const kernel = last("linux");
  if (kernel === undefined) return undefined;
  const options = valuesOf(lines, "options").join(" ");
  // GRUB's reader takes several in one line, and Fedora has a variable of GRUB's there; in a name
  // may be blanks.
  const initrds = valuesOf(lines, "initrd")
    .flatMap((value) => value.split(/\s+(?=[/$])/))
    .filter((file) => !/^\$\w+$/.test(file));
  return {
    title: nameEntry(name, last("title"), last("version")),
    kernel,
    initrds: [...initrds, ...stubInitrds(options)],
    options,
  };
}

/**
 * A file of loader/entries.
 * @throws BootError ENTRY_UNSUITABLE
 * @see https://uapi-group.org/specifications/specs/boot_loader_specification/ (Type #1)
 */
function formatSystemdBoot(entry: NewEntry): string {
  const { title, version, sortKey, kernel, initrds, options } = entry;
  for (const file of [kernel, ...initrds]) {
    // Other readers of such files take several paths in one line.
    refuse(systemdBoot, file, /[\s\\]/, "it contains a space or a backslash");
  }
  const lines: readonly KeyValue[] = [
    ["title", title],
    ...(version === undefined ? [] : [["version", version] as const]),
    ...(sortKey === undefined ? [] : [["sort-key", sortKey] as const]),
    ["linux", kernel],
    ...initrds.map((file) => ["initrd", file] as const),
    ["options", options],
  ];
  const written = lines.map(([key, value]) => {
    // A value goes to the end of its line, the blanks around it left out.
    refuse(systemdBoot, value, /^\s|\s$|\p{Cc}/u, "a line cannot contain it");
    return `${key.padEnd(8)} ${value}\n`;
  });
  return formatComments(entry) + written.join("");
}
