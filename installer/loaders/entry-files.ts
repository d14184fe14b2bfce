import path from "node:path";
import { asFailureOf } from "../../runtime/base/failure.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { BootPlace } from "./boot-place.ts";
import { readLoaderVariable } from "./efi-variables.ts";
import { readMenus } from "./find-loaders.ts";
import {
  chooseEntry,
  findDefault,
  isGone,
  parseEntryFile,
  patternOf,
  putDefault,
  type EntryFile,
} from "./formats/deployment-files.ts";
import {
  toDeployment,
  type DeploymentMenu,
} from "./formats/deployment-names.ts";
import { readWithin, syncMenu, within } from "./menu-files.ts";
import { changeConfig } from "./write-entry.ts";

const ENTRIES = "loader/entries";

/** @see https://systemd.io/BOOT_LOADER_INTERFACE/ */
const DEFAULT_VARIABLE = "LoaderEntryDefault";

/** The boot loader lists no others: not what a write that was interrupted has left. */
function listEntryNames(host: Host, directory: string): string[] {
  const names = host.files.namesIn(directory);
  return names.filter((name) => /\.conf$/i.test(name));
}

/** Removes what an interrupted write of one of the rwlayer's files has left. */
function removeHalfWritten(
  host: Host,
  directory: string,
  rwlayer: string,
): void {
  for (const name of host.files.namesIn(directory)) {
    const [file = ""] = /^.*\.conf(?=\.)/.exec(name) ?? [];
    if (parseEntryFile(rwlayer, file) === undefined) continue;
    host.files.removeTemporary(path.join(directory, file));
  }
}

/** The names of the rwlayer's files, and what they say. */
function listEntryFiles(
  names: readonly string[],
  rwlayer: string,
): Map<string, EntryFile> {
  return new Map(
    names.flatMap((name): [string, EntryFile][] => {
      const file = parseEntryFile(rwlayer, name);
      return file === undefined ? [] : [[name, file]];
    }),
  );
}

export function readEntryFiles(
  host: Host,
  place: BootPlace,
  rwlayer: string,
): DeploymentMenu {
  const { loader, top, config } = place;
  const { namesIn } = host.files;
  const names = listEntryNames(host, path.join(top, ENTRIES));
  const own = listEntryFiles(names, rwlayer);
  const fileOf = (file: string) => own.get(path.basename(file));
  const menus = loader
    .findMenus(top, namesIn)
    .filter(({ file }) => fileOf(file) !== undefined);
  const entries = readMenus(host, menus).entries.flatMap((entry) => {
    const file = fileOf(entry.file);
    return file === undefined ? [] : [toDeployment(file.n, entry, file.tries)];
  });
  const pattern =
    [
      readLoaderVariable(host, DEFAULT_VARIABLE),
      findDefault(readWithin(host, place, config)),
    ].find((each) => each !== undefined && !isGone(each, names)) ?? "";
  const next = chooseEntry(rwlayer, pattern, names)?.n;
  return { entries, next };
}

/** @param files by their names */
export async function writeEntryFiles(
  host: Host,
  place: BootPlace,
  rwlayer: string,
  files: ReadonlyMap<string, string>,
  { next, fallback }: { next: number; fallback: number | undefined },
): Promise<void> {
  const { loader, top, menuTop, config } = place;
  const { name: loaderName } = loader;
  const directory = path.join(top, ENTRIES);
  for (const [name, text] of files) {
    const file = path.join(directory, name);
    changeConfig(host, { loader: loaderName, file, rwlayer }, () => text);
  }
  await syncMenu(host, top);
  const remove = (name: string) => {
    host.files.removeFile(path.join(directory, name));
  };
  const present = listEntryNames(host, directory);
  const dropped = [...listEntryFiles(present, rwlayer)].filter(
    ([name]) => !files.has(name),
  );
  const isDropped = (name: string) => dropped.some(([gone]) => gone === name);
  const left = present.filter((name) => !isDropped(name));
  // Else what is counted would start for ever, by its other file, once it has no try left.
  const uncounted = dropped.filter(
    ([, { n, tries }]) =>
      n === next && fallback !== undefined && tries === null,
  );
  for (const [name] of uncounted) remove(name);
  const pattern = patternOf(rwlayer, left, next, fallback);
  const file = within(host, menuTop, config);
  changeConfig(host, { loader: loaderName, file, rwlayer }, (former) =>
    findDefault(former) === pattern ? former : putDefault(former, pattern),
  );
  await syncMenu(host, menuTop);
  // What somebody has chosen in the menu itself goes before loader.conf.
  if (readLoaderVariable(host, DEFAULT_VARIABLE) !== undefined) {
    try {
      await host.run(["bootctl", "set-default", pattern]);
    } catch (error) {
      throw asFailureOf("change the default entry of systemd-boot", error);
    }
  }
  for (const each of dropped) if (!uncounted.includes(each)) remove(each[0]);
  removeHalfWritten(host, directory, rwlayer);
  await syncMenu(host, top);
}
