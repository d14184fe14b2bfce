import { quoteForShell } from "../../../runtime/base/quote.ts";
import type { Tries } from "../../../runtime/records/deployments.ts";

/** Beside grub.cfg: how often GRUB may start an entry still. GRUB writes into the file, and does not make it. */
export const GRUB_ENV = "dockroot.env";

/** @see https://www.gnu.org/software/grub/manual/grub/grub.html#Environment-block */
const ENV_BYTES = 1024;

/** Entries know it: `config_directory` is the menu's while that is read, and not when an entry runs. */
const ENV_FILE = '"${dockroot_env}"';

const COUNTERS = "dockroot_left dockroot_done";

/** The ID of the entry that starts once. */
const ONCE = "dockroot_once";

/** Filesystems to whose files GRUB writes: not btrfs, and nothing on LVM, LUKS or RAID. */
const WRITABLE = /^(?:vfat|ext[234]|xfs)$/;

export function canGrubWrite(filesystem: {
  readonly type: string;
  readonly isMapped: boolean;
}): boolean {
  return WRITABLE.test(filesystem.type) && !filesystem.isMapped;
}

/** The environment block of the entry whose starts are counted. */
export function formatGrubEnv(id: string, { left, done }: Tries): string {
  return formatBlock([
    `dockroot_id=${id}`,
    `dockroot_left=${String(left)}`,
    `dockroot_done=${String(done)}`,
  ]);
}

function formatBlock(lines: readonly string[]): string {
  const text = ["# GRUB Environment Block", ...lines, ""].join("\n");
  return text.padEnd(ENV_BYTES, "#");
}

/** The block with another choice of what starts once. @param text `""` where there is no file */
export function putGrubOnce(text: string, id: string | undefined): string {
  const others = text
    .split("\n")
    .filter((line) => /^dockroot_/.test(line) && !line.startsWith(`${ONCE}=`));
  return formatBlock([
    ...others,
    ...(id === undefined ? [] : [`${ONCE}=${id}`]),
  ]);
}

/** @returns `""` where nothing starts once */
export function findGrubOnce(text: string): string {
  return readVariable(text, ONCE) ?? "";
}

/** A variable of an environment block. */
export function readVariable(text: string, name: string): string | undefined {
  return new RegExp(`^${name}=(.*)$`, "m").exec(text)?.[1];
}

/** @returns the tries of the entry of that ID; `null` where the block is another's, or damaged */
export function parseGrubEnv(text: string, id: string): Tries | null {
  const valueOf = (name: string) => readVariable(text, `dockroot_${name}`);
  const [left, done] = [valueOf("left"), valueOf("done")].map((value) =>
    /^\d{1,3}$/.test(value ?? "") ? Number(value) : undefined,
  );
  return valueOf("id") === id && left !== undefined && done !== undefined
    ? { left, done }
    : null;
}

/** The command that tells entries where the environment block is. */
export const SET_ENV_FILE = `set dockroot_env="\${config_directory}/${GRUB_ENV}"
export dockroot_env
`;

/**
 * What makes GRUB start another entry than the default: one that was chosen for one boot, or another one where what is
 * counted has no try left.
 * @param fallback of the entry that is counted; without it, what started before there were deployments
 */
export function formatOtherDefault(
  isCounted: boolean,
  fallback: string | undefined,
): string {
  const other =
    fallback === undefined ? '"${dockroot_former}"' : quoteForShell(fallback);
  const counted = isCounted
    ? [`if [ "\${dockroot_left}" = "0" ]; then set default=${other}; fi`]
    : [];
  const lines = [
    `load_env --file ${ENV_FILE} ${COUNTERS} ${ONCE}`,
    ...counted,
    `if [ "\${${ONCE}}" ]; then`,
    `    set dockroot_chosen="\${${ONCE}}"`,
    `    set ${ONCE}=`,
    // What cannot be taken back would start for ever.
    `    if save_env --file ${ENV_FILE} ${ONCE}; then set default="\${dockroot_chosen}"; fi`,
    "fi",
  ];
  return [
    `if [ -s ${ENV_FILE} ]; then`,
    ...lines.map((line) => `    ${line}`),
    "fi",
  ]
    .map((line) => `    ${line}\n`)
    .join("");
}

/** The commands of an entry that count its start. GRUB has no arithmetic. */
export function formatCounting({ left, done }: Tries): string[] {
  if (left === 0) return [];
  const steps = Array.from({ length: left }, (_, index) => [
    `${index === 0 ? "if" : "elif"} [ "\${dockroot_left}" = "${String(left - index)}" ]; then`,
    `    set dockroot_left=${String(left - index - 1)}`,
    `    set dockroot_done=${String(done + index + 1)}`,
  ]);
  return [
    `if [ -s ${ENV_FILE} ]; then`,
    ...[
      `load_env --file ${ENV_FILE} ${COUNTERS}`,
      ...steps.flat(),
      "fi",
      `save_env --file ${ENV_FILE} ${COUNTERS}`,
    ].map((line) => `    ${line}`),
    "fi",
  ];
}
