import { formatChanges } from "./format-install.ts";
import type { Uninstall } from "./gather-uninstall.ts";
import { STATE_DIRECTORY } from "./manifest.ts";

/** What is about to be taken back, a line for each thing. */
export function formatUninstallPlan({
  changes,
  edits,
  builds,
  changed,
}: Uninstall): string {
  const whats = new Map(edits.map(({ path, what }) => [path, what]));
  const lines = [
    ...formatChanges(
      changes.filter(({ path }) => !path.startsWith(`${STATE_DIRECTORY}/`)),
      whats,
    ),
    ...builds.flatMap(({ images }) =>
      images.map(({ path }) => `build   ${path}, without dockroot`),
    ),
    ...changed.map((path) => `keep    ${path}, which was changed since`),
  ];
  return lines.map((line) => `  ${line}\n`).join("");
}
