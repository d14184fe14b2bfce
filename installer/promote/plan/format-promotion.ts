import type { Terminal } from "../../cli/cli-context.ts";
import { describeChange } from "../../diff/formats/format-diff.ts";
import type { PackageChanges } from "../../packages/formats/package-lists.ts";
import { formatSections, plain, title, type Line } from "../../text/table.ts";
import type { PromotionResult } from "../promote.ts";
import type { Obstacle, SkippedChange } from "./plan-promotion.ts";

const WHY: Readonly<Record<Obstacle, string>> = {
  package: "of a package: it belongs into the Dockerfile",
  conflict: "the top layer has another one by now",
  socket: "a socket",
  name: "its name cannot be in a top layer",
  xattrs: "extended attributes of a directory",
};

/** Of what is left out for one reason, so many are listed. */
const MAX_LISTED = 10;

/** What was carried over, what was not, and what belongs into the Dockerfile. */
export function formatPromotion(
  result: PromotionResult,
  isDry: boolean,
  style: Terminal["style"],
): string {
  const { promoted, skipped, layer, packages } = result;
  const would = isDry ? "would be copied" : "copied";
  const reasons = Map.groupBy(skipped, ({ why }) => why);
  return formatSections(
    [
      promoted.length === 0
        ? [plain("There is nothing to carry over.")]
        : [
            title(`${would} into the top layer ${layer}:`),
            ...promoted.map((change) => plain(`  ${describeChange(change)}`)),
          ],
      ...[...reasons].map(([why, those]) => formatSkipped(why, those)),
      formatPackages(packages),
      isDry
        ? [plain("Nothing was changed.")]
        : promoted.length > 0
          ? [plain("The next boot has it.")]
          : [],
    ],
    style,
  );
}

function formatSkipped(
  why: Obstacle,
  skipped: readonly SkippedChange[],
): Line[] {
  const left = skipped.length - MAX_LISTED;
  return [
    title(`not carried over (${WHY[why]}):`),
    ...skipped
      .slice(0, MAX_LISTED)
      .map(({ change }) => plain(`  ${describeChange(change)}`)),
    ...(left > 0 ? [plain(`  and ${String(left)} more`)] : []),
  ];
}

function formatPackages(packages: PackageChanges | undefined): Line[] {
  const lines = dockerfileLines(packages);
  return lines.length === 0
    ? []
    : [
        title("For the Dockerfile of the image:"),
        ...lines.map((line) => plain(`  ${line}`)),
      ];
}

const COMMANDS: Readonly<
  Record<
    PackageChanges["manager"],
    { readonly add: string; readonly remove: string }
  >
> = {
  dpkg: {
    add: "apt-get update && apt-get install --yes --no-install-recommends",
    remove: "apt-get purge --yes",
  },
  rpm: { add: "dnf install --assumeyes", remove: "dnf remove --assumeyes" },
  pacman: {
    add: "pacman --sync --refresh --noconfirm",
    remove: "pacman --remove --noconfirm",
  },
  apk: { add: "apk add", remove: "apk del" },
};

/**
 * The lines of a Dockerfile that do to packages what was done to them in a root. Those that have changed need no
 * line: an image that is built anew has them.
 */
export function dockerfileLines(
  packages: PackageChanges | undefined,
): readonly string[] {
  if (packages === undefined) return [];
  const { manager, added, removed } = packages;
  const { add, remove } = COMMANDS[manager];
  const line = (command: string, those: PackageChanges["added"]) =>
    those.length === 0
      ? []
      : [`RUN ${command} ${those.map(({ name }) => name).join(" ")}`];
  return [...line(add, added), ...line(remove, removed)];
}

/** What `dockroot promote --json` prints, version 1. */
export function describePromotion(result: PromotionResult, isDry: boolean) {
  const { root, layer, promoted, skipped, packages } = result;
  return {
    version: 1 as const,
    ...{ root, layer, isDry },
    promoted: promoted.map(({ shown, kind }) => ({ path: shown, kind })),
    skipped: skipped.map(({ change, why }) => ({ path: change.shown, why })),
    dockerfile: dockerfileLines(packages),
  };
}
