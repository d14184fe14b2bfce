import { formatSize } from "../../text/human.ts";
import type { CheckedEntry, CheckFacts } from "./check-facts.ts";
import { listNames } from "../../../runtime/base/list-names.ts";
import type { Problem } from "./problem.ts";

const MODULES = /^\/(?:usr\/)?lib\/modules\/[^/]+/;
/** What a boot loader reads, in a directory that serves as the top layer besides. */
const BOOT_FILES =
  /^\/(?:boot\/)?(?:vmlinu[xz]|bzImage|initrd|initramfs|System\.map|amd-ucode|intel-ucode)[^/]*$|^\/(?:boot\/)?(?:EFI|loader|grub)(?:\/|$)/;

/** Kernels and their modules come from the image; in the top layer they cost time and room at each start. */
export function checkKernels({ entries }: CheckFacts): Problem[] {
  const copied = entries.filter(({ effect }) =>
    ["add", "replace", "merge"].includes(effect),
  );
  return [
    ...describe(
      groupBy(copied, ({ target }) => MODULES.exec(target)?.[0]),
      "modules",
      "the modules of a kernel come from the image, and these are laid over them",
      "Remove them from the top layer; the image and its kernel belong together.",
    ),
    ...describe(
      groupBy(copied, ({ target }) =>
        BOOT_FILES.test(target)
          ? /^\/(?:boot\/)?[^/]+/.exec(target)?.[0]
          : undefined,
      ),
      "kernels",
      "they are copied to each new root, where nobody reads them",
      "Give the top layer a directory of its own beside them, and name it in toplayer_path=.",
    ),
  ];
}

function describe(
  groups: ReadonlyMap<string, readonly CheckedEntry[]>,
  rule: string,
  why: string,
  remedy: string,
): Problem[] {
  if (groups.size === 0) return [];
  const bytes = [...groups.values()]
    .flat()
    .filter(({ kind }) => kind === "file")
    .reduce((sum, { attributes }) => sum + attributes.sizeBytes, 0);
  const names = listNames([...groups.keys()]);
  const message = `${names} (${formatSize(bytes)}) in the top layer: ${why}`;
  return [{ level: "warning", rule, layer: null, path: null, message, remedy }];
}

function groupBy(
  entries: readonly CheckedEntry[],
  keyOf: (entry: CheckedEntry) => string | undefined,
): ReadonlyMap<string, readonly CheckedEntry[]> {
  const groups = new Map<string, CheckedEntry[]>();
  for (const entry of entries) {
    const key = keyOf(entry);
    if (key === undefined) continue;
    const group = groups.get(key) ?? [];
    group.push(entry);
    groups.set(key, group);
  }
  return groups;
}
