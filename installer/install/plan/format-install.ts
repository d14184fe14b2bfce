import type { Change } from "./plan-files.ts";
import type { FileEdit } from "../../generators/generator.ts";
import type { Install } from "../gather-install.ts";
import { FORMER_DIRECTORY, STATE_DIRECTORY } from "./records.ts";
import type { Uninstall } from "../gather-uninstall.ts";

/** What is about to be done, a line for each thing. */
export function formatInstallPlan({
  changes,
  edits,
  builds,
  config,
}: Install): string {
  const lines = [
    ...formatChanges(changes, edits),
    ...builds.flatMap(({ images }) =>
      images.map(
        ({ path, kernelVersion }) => `build   ${path} (${kernelVersion})`,
      ),
    ),
    config.image === undefined
      ? "no image is named: use --image REF, or docker_image= in the boot menu entry"
      : `image   ${config.image}, as ${config.file} says`,
  ];
  return lines.map((line) => `  ${line}\n`).join("");
}

function formatChanges(
  changes: readonly Change[],
  edits: readonly FileEdit[],
): string[] {
  const whats = new Map(edits.map(({ path, what }) => [path, what]));
  return changes.flatMap((change) => {
    const { kind, path } = change;
    if (kind === "keep" || path.startsWith(`${FORMER_DIRECTORY}/`)) return [];
    const what = whats.get(path);
    if (what !== undefined) return [`edit    ${path}: ${what}`];
    if (kind === "remove") return [`remove  ${path}`];
    const isBack =
      "copyOf" in change.content &&
      change.content.copyOf.startsWith(`${FORMER_DIRECTORY}/`);
    return [`${isBack ? "restore" : "write  "} ${path}`];
  });
}

/** What is not known, a line for each thing. */
export function formatNotChecked(whats: readonly string[]): string {
  const lines = whats.map(
    (what) => `not checked, since no program of that system is run: ${what}\n`,
  );
  return lines.join("");
}

/** Where there is nothing to do. */
export function formatUnchanged({ manifest }: Install): string {
  return manifest.built === undefined
    ? "The files are in place: nothing was changed. The initramfs was not built: dockroot install builds it.\n"
    : "Everything is in place: nothing was changed.\n";
}

/** What comes next. */
export function formatNext(
  { generator, config }: Install,
  { hasKernel, isBuilding }: { hasKernel: boolean; isBuilding: boolean },
): string {
  const steps = [
    "To find what would stop a boot:  dockroot doctor",
    "To print the boot menu entry:    dockroot boot-entry",
    "To undo the installation:        dockroot uninstall",
  ];
  if (config.image === undefined) {
    steps.unshift(
      "No image is named yet: run dockroot install --image REF, or write docker_image= into the boot menu entry.",
    );
  }
  if (!hasKernel) {
    steps.unshift(
      `No kernel is installed yet. ${generator.name} builds the initramfs when one is installed.`,
    );
  } else if (!isBuilding) {
    steps.unshift(
      "The initramfs was not built: dockroot install builds it, and checks its content.",
    );
  }
  return `Done. What comes next:\n${steps.map((step) => `  ${step}\n`).join("")}`;
}

/** What is about to be taken back, a line for each thing. */
export function formatUninstallPlan({
  changes,
  edits,
  builds,
  newImages,
  kept,
}: Uninstall): string {
  const lines = [
    ...formatChanges(
      changes.filter(
        ({ path }) =>
          !path.startsWith(`${STATE_DIRECTORY}/`) &&
          !kept.some((file) => file.path === path),
      ),
      edits,
    ),
    ...builds.flatMap(({ images }) =>
      images
        .filter(({ path }) => !newImages.includes(path))
        .map(({ path }) => `build   ${path}, without dockroot`),
    ),
    ...kept.map(
      ({ path, keptAs }) =>
        `keep    ${path}, which was changed after the install${keptAs === undefined ? "" : `, as ${keptAs}`}`,
    ),
  ];
  return lines.map((line) => `  ${line}\n`).join("");
}
