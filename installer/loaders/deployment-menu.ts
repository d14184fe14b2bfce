import path from "node:path";
import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { BootPlace } from "./boot-place.ts";
import {
  BLOCK_MENUS,
  blockOf,
  INCLUDE_BLOCK,
  parseDeployments,
  putDeployments,
  type BlockMenu,
} from "./formats/deployment-blocks.ts";
import { readEntryFiles, writeEntryFiles } from "./entry-files.ts";
import { nameEntryFile, sortKeyOf } from "./formats/deployment-files.ts";
import {
  findDeployment,
  nameDeployment,
  type DeploymentEntry,
  type DeploymentMenu,
} from "./formats/deployment-names.ts";
import { findBlock, putBlock } from "./formats/blocks.ts";
import type { NewEntry } from "./formats/boot-loader.ts";
import {
  canGrubWrite,
  formatGrubEnv,
  GRUB_ENV,
  parseGrubEnv,
} from "./formats/grub-counter.ts";
import { readFirmwareMenu, writeFirmwareMenu } from "./firmware-menu.ts";
import { readWithin, syncMenu, within } from "./menu-files.ts";
import { changeConfig, requireBlock } from "./write-entry.ts";

export type {
  DeploymentEntry,
  DeploymentMenu,
  ReadDeployment,
} from "./formats/deployment-names.ts";

/** Whether the boot loader counts how often it starts an entry that has not been confirmed. */
export function countsStarts({
  loader,
  menuFilesystem,
}: Pick<BootPlace, "loader" | "menuFilesystem">): boolean {
  return (
    loader.name === "systemd-boot" ||
    (loader.name === "grub" && canGrubWrite(menuFilesystem))
  );
}

/**
 * What the loader's menu has of ours, as the loader reads it.
 * @param once what the firmware starts once, and the first of its entries after that
 * @throws BootError FILE_UNREADABLE
 */
export function readDeploymentMenu(
  host: Host,
  place: BootPlace,
  rwlayer: string,
  once?: number,
): DeploymentMenu {
  const { name } = place.loader;
  if (name === "systemd-boot") return readEntryFiles(host, place, rwlayer);
  const menu = BLOCK_MENUS[name];
  return menu === undefined
    ? readFirmwareMenu(host, rwlayer, once)
    : readBlocks(host, place, menu, rwlayer);
}

/**
 * Makes the menu have exactly these entries of ours, `next` being what starts by itself; foreign files
 * and entries stay byte for byte. Durable when it returns: what is new first, then the choice of
 * `next`, then removals.
 * @param next one of the entries
 * @param fallback what starts where that has no try left, as far as the boot loader counts; after its first start, as
 *   the firmware counts
 * @throws BootError; HelperError
 */
export async function writeDeploymentMenu(
  host: Host,
  place: BootPlace,
  rwlayer: string,
  entries: readonly DeploymentEntry[],
  next: number,
  fallback?: number,
): Promise<void> {
  const made = new Map(
    entries.map((entry) => [entry.n, toNewEntry(place, rwlayer, entry)]),
  );
  const chosen = made.get(next);
  if (chosen === undefined) throw new Error("there is no entry for next");
  const other = fallback === undefined ? undefined : made.get(fallback);
  const { name } = place.loader;
  const menu = BLOCK_MENUS[name];
  if (name === "systemd-boot") {
    const files = new Map(
      entries.map((entry) => [
        nameEntryFile(rwlayer, entry.n, entry.tries),
        place.loader.format(toNewEntry(place, rwlayer, entry)),
      ]),
    );
    await writeEntryFiles(host, place, rwlayer, files, { next, fallback });
  } else if (menu === undefined) {
    await writeFirmwareMenu(host, rwlayer, [...made.values()], chosen, other);
  } else {
    writeBlocks(host, place, menu, rwlayer, [...made.values()], chosen, other);
    await syncMenu(host, place.menuTop);
  }
}

/**
 * @throws BootError ENTRY_UNSUITABLE where the loader would not show entries of ours, FILE_FOREIGN where they cannot be
 *   included
 */
export function refuseUnreadMenu(host: Host, place: BootPlace): void {
  const { loader, config } = place;
  const menu = BLOCK_MENUS[loader.name];
  if (menu === undefined) return;
  const [why] =
    loader.checkConfig?.(config, readWithin(host, place, config)) ?? [];
  if (why !== undefined) {
    throw new BootError("ENTRY_UNSUITABLE", why, {
      hint: `${loader.title} would not show the entries of deployments.`,
    });
  }
  if (menu.include === undefined) return;
  const file = menu.include.file(config);
  const text = putBlock(readWithin(host, place, file), INCLUDE_BLOCK, "");
  requireBlock(text, file, INCLUDE_BLOCK);
}

/** @throws Error where the options are not those of the deployment, which could not be read back */
function toNewEntry(
  place: BootPlace,
  rwlayer: string,
  { n, title, release, kernel, initrds, options, tries }: DeploymentEntry,
): NewEntry {
  const { filesystem, top, menuTop } = place;
  const counted = countsStarts(place) ? tries : null;
  const found = findDeployment(options);
  if (found?.n !== n || found.rwlayer !== rwlayer) {
    throw new Error(`not options of deployment ${String(n)}: ${options}`);
  }
  return {
    // rEFInd reads ASCII alone, and a list of titles where there is a comma.
    title: title.replace(/[^\x20-\x7e]/g, "?").replaceAll(",", ";"),
    kernel,
    initrds,
    options,
    filesystem,
    isOnLoadersFilesystem: top === menuTop,
    // systemd-boot and GRUB put the highest version first.
    version: `${String(n)}-${release}`,
    sortKey: sortKeyOf(rwlayer, counted),
    id: nameDeployment(rwlayer, n),
    comments: [],
    tries: counted,
  };
}

function readBlocks(
  host: Host,
  place: BootPlace,
  menu: BlockMenu,
  rwlayer: string,
): DeploymentMenu {
  const { loader, config } = place;
  const { own, include } = menu;
  if (own === undefined || include === undefined) {
    const text = readWithin(host, place, config);
    return parseDeployments(menu, text, text, rwlayer);
  }
  const text = readWithin(host, place, beside(config, own));
  const around = readWithin(host, place, include.file(config));
  const isRead =
    findBlock(around, INCLUDE_BLOCK) === include.text &&
    loader.checkConfig?.(config, readWithin(host, place, config)).length === 0;
  if (!isRead) return { entries: [], next: undefined };
  const whole = around.replace(include.text, () => text);
  const read = parseDeployments(menu, text, whole, rwlayer);
  if (!countsStarts(place)) return read;
  const env = readWithin(host, place, beside(config, GRUB_ENV));
  const entries = read.entries.map((entry) => ({
    ...entry,
    tries: parseGrubEnv(env, nameDeployment(rwlayer, entry.n)),
  }));
  return { ...read, entries };
}

/** What GRUB counts in is there before the menu that does so. */
function writeGrubEnv(
  host: Host,
  place: BootPlace,
  rwlayer: string,
  { id, tries }: NewEntry,
): void {
  const { menuTop, config } = place;
  const file = within(host, menuTop, beside(config, GRUB_ENV));
  if (tries) {
    const text = formatGrubEnv(id, tries);
    changeConfig(host, { loader: "grub", file, rwlayer }, () => text);
  } else if (host.files.statusOf(file) !== undefined) {
    host.files.removeFile(file);
  }
}

function writeBlocks(
  host: Host,
  place: BootPlace,
  menu: BlockMenu,
  rwlayer: string,
  made: readonly NewEntry[],
  next: NewEntry,
  fallback: NewEntry | undefined,
): void {
  const { loader, menuTop, config } = place;
  const { own, include } = menu;
  refuseUnreadMenu(host, place);
  if (loader.name === "grub") writeGrubEnv(host, place, rwlayer, next);
  const change = (
    relative: string,
    put: (former: string) => string | undefined,
    key: string,
  ) => {
    const file = within(host, menuTop, relative);
    const named = { loader: loader.name, file, rwlayer };
    changeConfig(host, named, (former) => requireBlock(put(former), file, key));
  };
  change(
    own === undefined ? config : beside(config, own),
    (former) => putDeployments(menu, former, rwlayer, made, next, fallback),
    blockOf(rwlayer),
  );
  if (include === undefined) return;
  change(
    include.file(config),
    (former) => putBlock(former, INCLUDE_BLOCK, include.text),
    INCLUDE_BLOCK,
  );
}

function beside(config: string, name: string): string {
  return path.join(path.dirname(config), name);
}
