import { addValue, stubInitrds, type ParsedEntry } from "./boot-entry.ts";

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
