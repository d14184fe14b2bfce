import { BootError } from "../../../runtime/host/errors.ts";
import { joinTexts, placeOf, type Configuration } from "./configuration.ts";
import {
  FORMER_NAME,
  isOurs,
  isWellPlaced,
  mustComeBefore,
  NAME,
  placeIn,
} from "./hook-order.ts";
import { readHooks, type Hooks, type WrittenHook } from "./read-hooks.ts";
import { insertAfter, takeOut, type TextChange } from "./text-change.ts";

/** What a file is to hold instead. */
export interface HooksEdit {
  readonly path: string;
  readonly content: string;
  readonly what: string;
}

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

/**
 * What must change for dockroot to be in no HOOKS.
 * @param keepsFormerName whether `docker-btrfs` still means something to mkinitcpio
 * @throws BootError GENERATOR_UNSUITABLE where it stands in what cannot be understood
 */
export function disableHook(
  configurations: readonly Configuration[],
  keepsFormerName: boolean,
): HooksEdit[] {
  return editAll(configurations, (configuration) =>
    changesToDisable(configuration, keepsFormerName),
  );
}

interface Changes {
  readonly changes: readonly TextChange[];
  readonly what: string;
}

/** One configuration after the other, since they may share files. */
function editAll(
  configurations: readonly Configuration[],
  plan: (configuration: Configuration) => Changes | undefined,
): HooksEdit[] {
  const edits = new Map<string, HooksEdit>();
  for (const original of configurations) {
    const [configuration = original] = withTexts(
      [original],
      [...edits.values()],
    );
    const planned = plan(configuration);
    if (planned === undefined) continue;
    for (const edit of apply(configuration, planned)) {
      const what = edits.get(edit.path)?.what;
      edits.set(
        edit.path,
        what === undefined || what === edit.what
          ? edit
          : { ...edit, what: `${what}; ${edit.what}` },
      );
    }
  }
  return [...edits.values()];
}

function withTexts(
  configurations: readonly Configuration[],
  edits: readonly HooksEdit[],
): Configuration[] {
  const contents = new Map(edits.map(({ path, content }) => [path, content]));
  return configurations.map((configuration) =>
    configuration.map(({ path, text }) => ({
      path,
      text: contents.get(path) ?? text,
    })),
  );
}

function apply(
  configuration: Configuration,
  { changes, what }: Changes,
): HooksEdit[] {
  const texts = new Map(configuration.map(({ path, text }) => [path, text]));
  const edited = new Set<string>();
  for (const { start, end, replacement } of changes.toSorted(
    (a, b) => b.start - a.start,
  )) {
    const { path, position } = placeOf(configuration, start);
    const text = texts.get(path) ?? "";
    const after = text.slice(position + end - start);
    texts.set(path, text.slice(0, position) + replacement + after);
    edited.add(path);
  }
  return [...edited].map((path) => ({
    ...{ path, what, content: texts.get(path) ?? "" },
  }));
}

function changesToEnable(configuration: Configuration): Changes | undefined {
  const text = joinTexts(configuration);
  const read = readHooks(text);
  const { hooks, obscurities } = read;
  const names = hooks.map(({ name }) => name);
  const index = names.findIndex(isOurs);
  if (index !== -1 && isWellPlaced(names, index)) return undefined;
  const [obscurity] = obscurities;
  if (obscurity !== undefined) {
    throw handWork(configuration, obscurity.why, obscurity.position, read);
  }
  refuseUnfit(configuration, read);
  const name = index === -1 ? NAME : (names[index] ?? NAME);
  const others = hooks.filter((hook) => !isOurs(hook.name));
  const ours = hooks.filter((hook) => isOurs(hook.name));
  const place = placeIn(others.map((hook) => hook.name));
  const before = others[place - 1];
  if (before === undefined) {
    throw handWork(configuration, "it has no hook before strip", 0, read);
  }
  return {
    changes: [
      ...ours.map((hook) => takeOut(text, hook)),
      insertAfter(text, before, name),
    ],
    what:
      index === -1
        ? `${name} after ${before.name} in HOOKS`
        : `${name} moved to after ${lastRequired(others) ?? before.name} in HOOKS`,
  };
}

function lastRequired(hooks: readonly WrittenHook[]): string | undefined {
  return hooks.findLast(({ name }) => mustComeBefore(name))?.name;
}

function changesToDisable(
  configuration: Configuration,
  keepsFormerName: boolean,
): Changes | undefined {
  const text = joinTexts(configuration);
  const { hooks, obscurities } = readHooks(text);
  const goes = (name: string) =>
    name === NAME || (name === FORMER_NAME && !keepsFormerName);
  for (const { position, why, end } of obscurities) {
    const found = text
      .slice(position, end)
      .split(/[^\w-]+/)
      .find(goes);
    if (found === undefined) continue;
    const { path, line } = placeOf(configuration, position);
    throw new BootError(
      "GENERATOR_UNSUITABLE",
      `cannot take ${found} out of HOOKS in ${path}, line ${String(line)}: ${why}`,
      {
        hint: `Take it out there yourself: mkinitcpio ends with an error where a hook has no file.`,
      },
    );
  }
  const going = hooks.filter(({ name }) => goes(name));
  if (going.length === 0) return undefined;
  const names = [...new Set(going.map(({ name }) => name))];
  return {
    changes: going.map((hook) => takeOut(text, hook)),
    what: `${names.join(" and ")} out of HOOKS`,
  };
}

function refuseUnfit(configuration: Configuration, read: Hooks): void {
  if (read.hooks.length === 0) {
    throw handWork(configuration, "it is not set, or empty", 0, read);
  }
  const broken = read.hooks.find(({ name }) => /\s/.test(name));
  if (broken === undefined) return;
  throw handWork(
    configuration,
    `"${broken.name}" is no name of a hook`,
    broken.start,
    read,
  );
}

function handWork(
  configuration: Configuration,
  why: string,
  position: number,
  read?: Hooks,
): BootError {
  const { path, line } = placeOf(configuration, position);
  const last = configuration.at(-1)?.path ?? path;
  // The other one is right for arrays and texts alike.
  const addition =
    read?.isArray === true
      ? `HOOKS+=(${NAME})`
      : `HOOKS=(\${HOOKS[@]} ${NAME})`;
  return new BootError(
    "GENERATOR_UNSUITABLE",
    `cannot edit HOOKS in ${path}, line ${String(line)}: ${why}`,
    {
      hint: `Write ${NAME} into it yourself, after block, encrypt, lvm2 and resume and before strip; or add this line at the end of ${last}: ${addition}`,
    },
  );
}
