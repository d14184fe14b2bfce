import { formatChanges } from "./format-install.ts";
import type { Uninstall } from "../gather-uninstall.ts";
import { STATE_DIRECTORY } from "./manifest.ts";

/** What is about to be taken back, a line for each thing. */
export function formatUninstallPlan({
  changes,
  edits,
  builds,
  newImages,
  kept,
}: Uninstall): string {
  const whats = new Map(edits.map(({ path, what }) => [path, what]));
  const lines = [
    ...formatChanges(
      changes.filter(
        ({ path }) =>
          !path.startsWith(`${STATE_DIRECTORY}/`) &&
          !kept.some((file) => file.path === path),
      ),
      whats,
    ),
    ...builds.flatMap(({ images }) =>
      images
        .filter(({ path }) => !newImages.includes(path))
        .map(({ path }) => `build   ${path}, without dockroot`),
    ),
    ...kept.map(
      ({ path, keptAs }) =>
        `keep    ${path}, which was changed since${keptAs === undefined ? "" : `, as ${keptAs}`}`,
    ),
  ];
  return lines.map((line) => `  ${line}\n`).join("");
}
