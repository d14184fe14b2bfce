import * as v from "valibot";
import { parseJson } from "../../text/parse-json.ts";

export const STATE_DIRECTORY = "/var/lib/dockroot";
/** What stood where something of ours stands now. */
export const FORMER_DIRECTORY = `${STATE_DIRECTORY}/former`;
/** Hooks that somebody has changed since: where they were they would go on to run. */
export const KEPT_DIRECTORY = `${STATE_DIRECTORY}/kept`;
/** The former content of the files that UNDO names. */
export const UNDO_DIRECTORY = `${STATE_DIRECTORY}/undo`;
const VERSION = 1;
const version = v.literal(VERSION, "a later dockroot wrote it");
/** The journal of earlier versions has none. */
const journalVersion = v.optional(version);

/** A list that nobody changes. */
function listOf<Item extends v.GenericSchema>(item: Item) {
  return v.pipe(v.array(item), v.readonly());
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** An absolute path that leads nowhere else. */
const absolutePath = v.pipe(
  v.string(),
  v.regex(/^\/[^\0]*$/, "an absolute path is expected"),
  v.check(
    (path) => !path.split("/").includes(".."),
    "a path without .. is expected",
  ),
);

/** A file as it was before. */
const formerFile = v.object({
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

const manifest = v.object({
  version,
  generator: v.string(),
  files: listOf(installedFile),
  /** The directories that had to be made, outer ones first. */
  directories: listOf(absolutePath),
  /** The initramfs images that there were none of before. */
  newImages: listOf(absolutePath),
  /** The hash of all that went into the initramfs images; `undefined` where they were not built. */
  built: v.optional(v.string()),
});

const undoRecord = v.object({
  version: journalVersion,
  files: listOf(
    v.object({
      path: absolutePath,
      /** `undefined` where there was nothing. */
      former: v.optional(formerFile),
    }),
  ),
  /** Those that are made, outer ones first. */
  directories: listOf(absolutePath),
});

const commitRecord = v.object({
  version: journalVersion,
  /** Images that were built under another name than their own. */
  images: listOf(v.object({ from: absolutePath, to: absolutePath })),
  /** Those that go: they may be needed until then. */
  files: listOf(absolutePath),
  /** Those that go where nothing is in them, inner ones first. */
  directories: listOf(absolutePath),
});

export type FormerFile = v.InferOutput<typeof formerFile>;
export type InstalledFile = v.InferOutput<typeof installedFile>;
export type Manifest = v.InferOutput<typeof manifest>;
export type UndoRecord = v.InferOutput<typeof undoRecord>;
export type CommitRecord = v.InferOutput<typeof commitRecord>;

/** A record in a file of its own. */
export interface RecordFile<T> {
  readonly file: string;
  /** @throws BootError FILE_UNREADABLE where it is damaged, or of a later dockroot */
  readonly parse: (text: string) => T;
  /** What to do where it cannot be read. */
  readonly hint: string;
}

/** What install did, for uninstall to take back. */
export const MANIFEST: RecordFile<Manifest> = {
  file: `${STATE_DIRECTORY}/install.json`,
  parse: (text) => parseJson(manifest, text),
  hint: "It records what dockroot install did. Restore it, or remove it to continue as if dockroot had not been installed.",
};

/**
 * How to take back what an install or uninstall does: there from before its first change to its end. With COMMIT it is the
 * journal of that run, which is in the phase of a record for as long as the record's file is there: to return from
 * committing to undoing is to remove a file, which needs no room on a full disk. Earlier versions of dockroot have
 * the same two files: whichever runs next goes on with what another one left.
 */
export const UNDO: RecordFile<UndoRecord> = {
  file: `${STATE_DIRECTORY}/undo.json`,
  parse: (text) => parseJson(undoRecord, text),
  hint: `It records how to undo an interrupted run; the former files are in ${UNDO_DIRECTORY}. Remove both to continue with the files as they are.`,
};

/** What is left to do once all files are written and all images are built: nothing is taken back any more. */
export const COMMIT: RecordFile<CommitRecord> = {
  file: `${STATE_DIRECTORY}/ending.json`,
  parse: (text) => parseJson(commitRecord, text),
  hint: "It records which images an interrupted run had to put in place, and which files to remove. Do both, then remove it.",
};

/** The text of a record's file. */
export function formatRecord(
  record: Manifest | UndoRecord | CommitRecord,
): string {
  return `${JSON.stringify({ ...record, version: VERSION }, undefined, 2)}\n`;
}
