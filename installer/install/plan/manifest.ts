import * as v from "valibot";
import { parseJson } from "../../text/parse-json.ts";

export const STATE_DIRECTORY = "/var/lib/dockroot";
export const MANIFEST_FILE = `${STATE_DIRECTORY}/install.json`;
/** What stood where something of ours stands now. */
export const FORMER_DIRECTORY = `${STATE_DIRECTORY}/former`;

/** Hooks that somebody has changed since: where they were they would go on to run. */
export const KEPT_DIRECTORY = `${STATE_DIRECTORY}/kept`;

/** A list that nobody changes. */
export function listOf<Item extends v.GenericSchema>(item: Item) {
  return v.pipe(v.array(item), v.readonly());
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** An absolute path that leads nowhere else. */
export const absolutePath = v.pipe(
  v.string(),
  v.regex(/^\/[^\0]*$/, "an absolute path is expected"),
  v.check(
    (path) => !path.split("/").includes(".."),
    "a path without .. is expected",
  ),
);

/** A file as it was before. */
export const formerFile = v.object({
  /** Where its content is kept: nothing else is ever put back. */
  kept: v.pipe(absolutePath, v.startsWith(`${STATE_DIRECTORY}/`)),
  mode: count,
  uid: count,
  gid: count,
});

/** A file that install wrote. */
const installedFile = v.object({
  path: absolutePath,
  /** Of what was written: another one means that somebody has changed it since. */
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  former: v.optional(formerFile),
  /** Whether it is a configuration that others write to, with the hook in it. */
  isEdit: v.boolean(),
});

/** What install did, for uninstall to take back. */
const manifest = v.object({
  version: v.literal(1, "a later dockroot wrote it"),
  generator: v.string(),
  files: listOf(installedFile),
  /** The directories that had to be made, outer ones first. */
  directories: listOf(absolutePath),
  /** The initramfs images that there were none of before. */
  newImages: listOf(absolutePath),
  /** The hash of all that went into the initramfs images; `undefined` where they were not built. */
  built: v.optional(v.string()),
});

export type FormerFile = v.InferOutput<typeof formerFile>;
export type InstalledFile = v.InferOutput<typeof installedFile>;
export type Manifest = v.InferOutput<typeof manifest>;

export function formatManifest(content: Manifest): string {
  return `${JSON.stringify(content, undefined, 2)}\n`;
}

/** @throws BootError FILE_UNREADABLE where it is damaged, or of a later dockroot */
export function parseManifest(text: string): Manifest {
  return parseJson(manifest, text);
}
