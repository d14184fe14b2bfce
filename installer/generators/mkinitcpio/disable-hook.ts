import { BootError } from "../../../runtime/base/errors.ts";
import {
  joinTexts,
  placeOf,
  type Configuration,
} from "./configurations.ts";
import type { FileEdit } from "../generator.ts";
import { editAll, type Changes } from "./edit-configurations.ts";
import { FORMER_NAME, NAME } from "./edit-hooks.ts";
import { readHooks } from "./read-hooks.ts";
import { takeOut } from "./text-change.ts";

/**
 * What must change for dockroot to be in no HOOKS.
 * @param keepsFormerName whether `docker-btrfs` still means something to mkinitcpio
 * @throws BootError GENERATOR_UNSUITABLE where it stands in what cannot be understood
 */
export function disableHook(
  configurations: readonly Configuration[],
  keepsFormerName: boolean,
): FileEdit[] {
  return editAll(configurations, (configuration) =>
    changesToDisable(configuration, keepsFormerName),
  );
}

function changesToDisable(
  configuration: Configuration,
  keepsFormerName: boolean,
): Changes | undefined {
  const text = joinTexts(configuration);
  const { hooks, obscurities } = readHooks(text);
  const goes = (name: string) =>
    name === NAME || (name === FORMER_NAME && !keepsFormerName);
  const going = hooks.filter(({ name }) => goes(name));
  for (const { position, why, end } of obscurities) {
    if (going.some(({ start }) => start >= position && start < end)) continue;
    const found = text
      .slice(position, end)
      .split(/[^\w-]+/)
      .find(goes);
    if (found === undefined) continue;
    const { file, line } = placeOf(configuration, position);
    throw new BootError(
      "GENERATOR_UNSUITABLE",
      `cannot take ${found} out of HOOKS in ${file.path}, line ${String(line)}: ${why}`,
      {
        hint: "Take it out there yourself: mkinitcpio ends with an error where a hook has no file.",
      },
    );
  }
  if (going.length === 0) return undefined;
  const names = [...new Set(going.map(({ name }) => name))];
  return {
    changes: going.map((hook) => takeOut(text, hook)),
    what: `${names.join(" and ")} out of HOOKS`,
  };
}
