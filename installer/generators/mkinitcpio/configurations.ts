import { BootError } from "../../../runtime/base/errors.ts";
import type { Host } from "../../../runtime/host/host.ts";
import { followIn } from "../../../runtime/host/follow-in.ts";
import { readPresets } from "./read-presets.ts";
import type { FileEdit } from "../generator.ts";

const MAIN = "/etc/mkinitcpio.conf";
const DROP_INS = "/etc/mkinitcpio.conf.d";
const MAX_BYTES = 1024 * 1024;
const TIMEOUT_MS = 30_000;

/** The order in which mkinitcpio reads its drop-ins. */
const SORT = String.raw`printf '%s\0' "$@" | sort -zVu`;

/**
 * The configurations that mkinitcpio uses here: those that presets name come first, each a file
 * alone; then the main file with its drop-ins.
 * @param find one that gives `undefined` leaves missing files out: mkinitcpio may have been removed
 * @throws BootError FILE_UNREADABLE, GENERATOR_UNSUITABLE where one is missing; HelperError
 */
export async function readConfigurations(
  host: Host,
  find: (host: Host, file: string) => ConfigFile | undefined = requireConfig,
): Promise<readonly Configuration[]> {
  const presets = await readPresets(host);
  const named = presets
    .flatMap(({ images }) => images)
    .flatMap(({ configuration }) => configuration ?? []);
  return [
    ...[...new Set(named)].map((file) => [find(host, file) ?? []].flat()),
    await readMain(host, find),
  ];
}

/** The main file with its drop-ins: what mkinitcpio reads where no preset names a file. */
export async function readMain(
  host: Host,
  find: (host: Host, file: string) => ConfigFile | undefined,
): Promise<Configuration> {
  return [find(host, MAIN) ?? [], await readDropIns(host)].flat();
}

/**
 * The same without running anything, so that the drop-ins are in the order of their names.
 * @throws BootError FILE_UNREADABLE, GENERATOR_UNSUITABLE where the main file is missing
 */
export function readMainConfiguration(host: Host): Configuration {
  const dropIns = dropInNames(host).toSorted();
  return [MAIN, ...dropIns.map((name) => `${DROP_INS}/${name}`)].map((file) =>
    requireConfig(host, file),
  );
}

function dropInNames(host: Host): string[] {
  return host.files
    .namesIn(host.path(DROP_INS))
    .filter((name) => name.endsWith(".conf"))
    .filter((name) => isFile(host, `${DROP_INS}/${name}`));
}

async function readDropIns(host: Host): Promise<ConfigFile[]> {
  const names = dropInNames(host);
  if (names.length === 0) return [];
  const { stdout } = await host.run(["bash", "-c", SORT, "bash", ...names], {
    timeoutMs: TIMEOUT_MS,
  });
  return stdout
    .toString("utf8")
    .split("\0")
    .slice(0, -1)
    .map((name) => requireConfig(host, `${DROP_INS}/${name}`));
}

function isFile(host: Host, file: string): boolean {
  const target = followIn(host, host.path("/"), file);
  return target !== undefined && host.files.statusOf(target)?.kind === "file";
}

export function requireConfig(host: Host, file: string): ConfigFile {
  const config = readConfig(host, file);
  if (config !== undefined) return config;
  throw new BootError(
    "GENERATOR_UNSUITABLE",
    `${file}, a configuration of mkinitcpio, is missing`,
    {
      hint: "Restore it (pacman -S mkinitcpio), or remove it from the presets in /etc/mkinitcpio.d.",
    },
  );
}

/** `undefined` where it is missing. */
export function readConfig(host: Host, file: string): ConfigFile | undefined {
  const root = host.path("/");
  const target = followIn(host, root, file);
  const text =
    target === undefined ? undefined : host.files.readText(target, MAX_BYTES);
  if (target === undefined || text === undefined) return undefined;
  return { path: `/${target.slice(root.length).replace(/^\//, "")}`, text };
}

/** A file that is read for HOOKS. */
interface ConfigFile {
  /** Absolute, links resolved. */
  readonly path: string;
  readonly text: string;
}

/** The files that make up one configuration, in the order in which mkinitcpio reads them. */
export type Configuration = readonly ConfigFile[];

/** mkinitcpio puts the files together as they are and reads the whole: so does this. */
export function joinTexts(configuration: Configuration): string {
  return configuration.map(({ text }) => text).join("");
}

interface Place {
  readonly file: ConfigFile;
  /** In the file's own text. */
  readonly position: number;
  /** From 1. */
  readonly line: number;
}

/** Where a position of the joined text is. At a border it is the end of the file before. */
export function placeOf(configuration: Configuration, position: number): Place {
  let rest = position;
  for (const [index, file] of configuration.entries()) {
    const { length } = file.text;
    if (rest <= length || index === configuration.length - 1) {
      const line = file.text.slice(0, rest).split("\n").length;
      return { file, position: rest, line };
    }
    rest -= length;
  }
  throw new Error("a configuration without a file");
}

/** A piece of a text that becomes another. */
export interface TextChange {
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
}

/** What is to change in a configuration: positions are those of its joined texts. */
export interface Changes {
  readonly changes: readonly TextChange[];
  /** In words. */
  readonly what: string;
}

/** One configuration after the other, since they may share files. */
export function editAll(
  configurations: readonly Configuration[],
  plan: (configuration: Configuration) => Changes | undefined,
): FileEdit[] {
  const edits = new Map<string, FileEdit>();
  for (const original of configurations) {
    const configuration = withEdits(original, [...edits.values()]);
    const planned = plan(configuration);
    if (planned === undefined) continue;
    for (const [path, content] of apply(configuration, planned.changes)) {
      const whats = [edits.get(path)?.what ?? [], planned.what].flat();
      const what = [...new Set(whats)].join("; ");
      edits.set(path, { path, content, what });
    }
  }
  return [...edits.values()];
}

/** The configuration as it is after these edits. */
export function withEdits(
  configuration: Configuration,
  edits: readonly FileEdit[],
): Configuration {
  return configuration.map(({ path, text }) => ({
    path,
    text: edits.find((edit) => edit.path === path)?.content ?? text,
  }));
}

/** @returns the files that change, by their paths */
function apply(
  configuration: Configuration,
  changes: readonly TextChange[],
): Map<string, string> {
  const edited = new Map<string, string>();
  for (const { start, end, replacement } of changes.toSorted(
    (a, b) => b.start - a.start,
  )) {
    const { file, position } = placeOf(configuration, start);
    const text = edited.get(file.path) ?? file.text;
    const after = text.slice(position + end - start);
    edited.set(file.path, text.slice(0, position) + replacement + after);
  }
  return edited;
}
