import { parseCrypttab } from "../../system/formats/crypttab.ts";
import type { FstabEntry } from "../../system/formats/fstab.ts";

/**
 * A crypttab for the top layer: the machine's own without what its root alone is on, which the
 * initramfs opens.
 * @param mounts of the machine's fstab
 * @param cryptNames which names the sources of these are on
 * @returns `undefined` where nothing is left
 */
export function makeCrypttab(
  text: string,
  mounts: readonly FstabEntry[],
  cryptNames: ReadonlyMap<string, readonly string[]>,
): { content: string; about: string; warnings: string[] } | undefined {
  const namesOf = (entries: readonly FstabEntry[]) =>
    new Set(entries.flatMap(({ source }) => cryptNames.get(source) ?? []));
  const ofRoot = namesOf(mounts.filter(({ mountPoint }) => mountPoint === "/"));
  const needed = namesOf(mounts.filter(({ mountPoint }) => mountPoint !== "/"));
  const isDropped = (name: string) => ofRoot.has(name) && !needed.has(name);
  const entries = parseCrypttab(text);
  const kept = entries.filter(({ name }) => !isDropped(name));
  if (kept.length === 0) return undefined;
  const dropped = entries.filter(({ name }) => isDropped(name));
  const lines = text
    .trimEnd()
    .split("\n")
    .filter((_, index) => !dropped.some(({ line }) => line === index + 1));
  return {
    content: `${lines.join("\n")}\n`,
    about: `this machine's, for ${kept.map(({ name }) => name).join(", ")}`,
    warnings: kept.flatMap(({ name, keyFile }) =>
      keyFile === undefined
        ? []
        : `${name} is opened with the key ${keyFile}, which is not in the top layer: copy it to the same place there, with the mode 0600`,
    ),
  };
}
