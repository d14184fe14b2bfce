import { joinTexts, type Configuration } from "./configuration.ts";
import {
  editAll,
  withTexts,
  type Changes,
  type HooksEdit,
} from "./edit-configurations.ts";
import { handWork } from "./hand-work.ts";
import {
  isOurs,
  isWellPlaced,
  mustComeBefore,
  NAME,
  placeIn,
} from "./hook-order.ts";
import { readHooks, type Hooks, type WrittenHook } from "./read-hooks.ts";
import { insertAfter, takeOut } from "./text-change.ts";

/**
 * What must change for dockroot to be in HOOKS, at its place, in every configuration; nothing where
 * it is. Its former name, `docker-btrfs`, is as good.
 * @throws BootError GENERATOR_UNSUITABLE where HOOKS cannot be understood
 */
export function enableHook(
  configurations: readonly Configuration[],
): HooksEdit[] {
  const edited = editAll(configurations, changesToEnable);
  for (const configuration of withTexts(configurations, edited)) {
    if (changesToEnable(configuration) !== undefined) {
      throw handWork(
        configuration,
        "the configurations of different presets want it at different places",
        0,
      );
    }
  }
  return edited;
}

function changesToEnable(configuration: Configuration): Changes | undefined {
  const text = joinTexts(configuration);
  const read = readHooks(text);
  if (isEnabled(read)) return undefined;
  refuseUnfit(configuration, read);
  const ours = read.hooks.filter(({ name }) => isOurs(name));
  const others = read.hooks.filter(({ name }) => !isOurs(name));
  const before = others[placeIn(others.map(({ name }) => name)) - 1];
  if (before === undefined) {
    throw handWork(configuration, "it has no hook before strip", 0, read);
  }
  const name = ours[0]?.name ?? NAME;
  return {
    changes: [
      ...ours.map((hook) => takeOut(text, hook)),
      insertAfter(text, before, name),
    ],
    what:
      ours.length === 0
        ? `${name} after ${before.name} in HOOKS`
        : `${name} moved to after ${lastRequired(others) ?? before.name} in HOOKS`,
  };
}

/** What is obscure and comes before does not matter to a word that is added to a list. */
function isEnabled({ hooks, obscurities }: Hooks): boolean {
  const names = hooks.map(({ name }) => name);
  const index = names.findIndex(isOurs);
  const hook = hooks[index];
  return (
    hook !== undefined &&
    isWellPlaced(names, index) &&
    obscurities.every(
      ({ position }) => hook.place === "list" && position < hook.start,
    )
  );
}

function lastRequired(hooks: readonly WrittenHook[]): string | undefined {
  return hooks.findLast(({ name }) => mustComeBefore(name))?.name;
}

function refuseUnfit(configuration: Configuration, read: Hooks): void {
  const [obscurity] = read.obscurities;
  if (obscurity !== undefined) {
    throw handWork(configuration, obscurity.why, obscurity.position, read);
  }
  if (read.hooks.length === 0) {
    throw handWork(configuration, "it is not set, or empty", 0, read);
  }
  const broken = read.hooks.find(
    ({ name, place }) =>
      /[\s\\]/.test(name) || (read.isArray === true && place !== "list"),
  );
  if (broken === undefined) return;
  throw handWork(
    configuration,
    `"${broken.name}" is no name of a hook, or stands in a text that becomes a list`,
    broken.start,
    read,
  );
}
