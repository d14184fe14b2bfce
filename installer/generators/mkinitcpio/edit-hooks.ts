import {
  joinTexts,
  type Configuration,
  placeOf,
  editAll,
  withEdits,
  type Changes,
  type TextChange,
} from "./configurations.ts";
import type { FileEdit } from "../generator.ts";
import { readHooks, type Hooks, type WrittenHook } from "./read-hooks.ts";
import { BootError } from "../../../runtime/base/errors.ts";
import { endOfLine } from "./shell-tokens.ts";

/**
 * What must change for dockroot to be in HOOKS, at its place, in every configuration; nothing where
 * it is. Its former name, `docker-btrfs`, is as good.
 * @throws BootError GENERATOR_UNSUITABLE where HOOKS cannot be understood
 */
export function enableHook(
  configurations: readonly Configuration[],
): FileEdit[] {
  const edited = editAll(configurations, changesToEnable);
  for (const configuration of configurations) {
    if (changesToEnable(withEdits(configuration, edited)) === undefined)
      continue;
    throw manualEdit(
      configuration,
      "different presets need dockroot at different places",
    );
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
    throw manualEdit(configuration, "it has no hook before strip", read);
  }
  const name = ours[0]?.name ?? NAME;
  const required = others.findLast((hook) => BEFORE.has(hook.name));
  return {
    changes: [
      ...ours.map((hook) => takeOut(text, hook)),
      insertAfter(text, before, name),
    ],
    what:
      ours.length === 0
        ? `${name} after ${before.name} in HOOKS`
        : `${name} moved to after ${(required ?? before).name} in HOOKS`,
  };
}

/** What is obscure and comes before does not matter to a word that is added to a list. */
function isEnabled({ hooks, obscurities }: Hooks): boolean {
  const names = hooks.map(({ name }) => name);
  const index = names.findIndex(isOurs);
  const hook = hooks[index];
  return (
    hook !== undefined &&
    !names.slice(index + 1).some((name) => BEFORE.has(name)) &&
    obscurities.every(
      ({ position }) => hook.place === "list" && position < hook.start,
    )
  );
}

function refuseUnfit(configuration: Configuration, read: Hooks): void {
  const [obscurity] = read.obscurities;
  if (obscurity !== undefined) {
    throw manualEdit(configuration, obscurity.why, read, obscurity.position);
  }
  if (read.hooks.length === 0) {
    throw manualEdit(configuration, "it is not set, or empty", read);
  }
  const broken = read.hooks.find(
    ({ name, place }) =>
      /[\s\\]/.test(name) || (read.isArray === true && place !== "list"),
  );
  if (broken === undefined) return;
  throw manualEdit(
    configuration,
    `"${broken.name}" is not a valid name of a hook, or is part of a string that becomes an array`,
    read,
    broken.start,
  );
}

/** HOOKS cannot be edited: what is to be done by hand, where and why. */
function manualEdit(
  configuration: Configuration,
  why: string,
  read?: Hooks,
  position = 0,
): BootError {
  const { file, line } = placeOf(configuration, position);
  const last = configuration.at(-1)?.path ?? file.path;
  // The other one is right for arrays and texts alike.
  const addition =
    read?.isArray === true
      ? `HOOKS+=(${NAME})`
      : `HOOKS=(\${HOOKS[@]} ${NAME})`;
  return new BootError(
    "GENERATOR_UNSUITABLE",
    `cannot edit HOOKS in ${file.path}, line ${String(line)}: ${why}`,
    {
      hint: `Add ${NAME} to it yourself, after block, encrypt, lvm2 and resume and before strip; or add this line at the end of ${last}: ${addition}`,
    },
  );
}

/** What HOOKS calls dockroot: its name and that of the hook that it replaces. */
export const NAME = "dockroot";
export const FORMER_NAME = "docker-btrfs";

export function isOurs(hook: string): boolean {
  return hook === NAME || hook === FORMER_NAME;
}

/**
 * Hooks that come before dockroot: mkinitcpio's init runs them in the order of HOOKS, and they make
 * the root's device (`block`, `encrypt`, `lvm2`, ...), let a hibernated system resume, which must be
 * before anything is mounted, or make the keyboard fit for the shell that a failure ends in. With
 * `systemd` units are ordered by themselves, so that here it does not matter, but does no harm.
 */
const BEFORE = new Set(
  `
  base systemd udev memdisk block sleep rootdelay
  keyboard keymap consolefont sd-vconsole plymouth sd-plymouth
  net netconf dropbear tinyssh nbd iscsi
  encrypt sd-encrypt encryptssh plymouth-encrypt
  clevis sd-clevis ykfde tpm2-encrypt sd-encrypt-opensc
  lvm2 sd-lvm2 mdadm mdadm_udev dmraid bcache btrfs
  resume uresume
  `.match(/\S+/g),
);

/**
 * Where in HOOKS dockroot goes: at the end, but before `strip`. So it is after all that makes a
 * device or resumes, hooks included that are not known here. `filesystems`, `fsck`, `usr` and
 * `shutdown` may be before it: the first two do nothing when the machine starts, the others nothing
 * before root is mounted. `strip` is to be last, by its own help.
 * @returns the index of the hook that it comes before, or the number of hooks
 */
function placeIn(hooks: readonly string[]): number {
  const strip = hooks.lastIndexOf("strip");
  return strip === -1 || hooks.slice(strip).some((name) => BEFORE.has(name))
    ? hooks.length
    : strip;
}

/**
 * What must change for dockroot to be in no HOOKS.
 * @param keepsFormerName whether `docker-btrfs` still means something to mkinitcpio
 * @throws BootError GENERATOR_UNSUITABLE where it stands in what cannot be understood
 */
export function disableHook(
  configurations: readonly Configuration[],
  keepsFormerName: boolean,
): FileEdit[] {
  const goes = (name: string) =>
    name === NAME || (name === FORMER_NAME && !keepsFormerName);
  return editAll(configurations, (configuration) =>
    changesToDisable(configuration, goes),
  );
}

function changesToDisable(
  configuration: Configuration,
  goes: (name: string) => boolean,
): Changes | undefined {
  const text = joinTexts(configuration);
  const { hooks, obscurities } = readHooks(text);
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
      `cannot remove ${found} from HOOKS in ${file.path}, line ${String(line)}: ${why}`,
      {
        hint: "Remove it there yourself: mkinitcpio fails if a hook has no file.",
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

/** Puts a name after a hook, on a line of its own where that hook has one. */
function insertAfter(
  text: string,
  { end, place, start }: WrittenHook,
  name: string,
): TextChange {
  if (place === "bare") return insert(end, `\\ ${name}`);
  const indent = place === "list" ? indentOf(text, start) : undefined;
  const lineEnd = endOfLine(text, end);
  const rest = text.slice(end, lineEnd);
  return indent !== undefined &&
    lineEnd < text.length &&
    /^[ \t]*(?:[ \t]#.*)?$/.test(rest)
    ? insert(lineEnd, `\n${indent}${name}`)
    : insert(end, ` ${name}`);
}

/** Takes a hook out; where `insertAfter` has put it, the text is as it was before. */
function takeOut(
  text: string,
  { start, end, place, blankStart }: WrittenHook,
): TextChange {
  if (place !== "list") {
    const isFirst = blankStart === undefined;
    const follows = isFirst && text.charAt(end) === " " ? 1 : 0;
    return remove(blankStart ?? start, end + follows);
  }
  const lineEnd = endOfLine(text, end);
  if (
    lineEnd < text.length &&
    indentOf(text, start) !== undefined &&
    /^[ \t]*$/.test(text.slice(end, lineEnd))
  ) {
    return remove(text.lastIndexOf("\n", start), lineEnd);
  }
  if (isBlank(text.charAt(start - 1))) return remove(start - 1, end);
  return remove(start, isBlank(text.charAt(end)) ? end + 1 : end);
}

/** The blanks before what stands first on its line; `undefined` where something is before it. */
function indentOf(text: string, start: number): string | undefined {
  const lineStart = text.lastIndexOf("\n", start - 1);
  if (lineStart === -1) return undefined;
  const before = text.slice(lineStart + 1, start);
  return /^[ \t]*$/.test(before) ? before : undefined;
}

function isBlank(character: string): boolean {
  return character === " " || character === "\t";
}

function insert(position: number, replacement: string): TextChange {
  return { start: position, end: position, replacement };
}

function remove(start: number, end: number): TextChange {
  return { start, end, replacement: "" };
}
