import * as v from "valibot";
import {
  absolutePath,
  formerFile,
  listOf,
  STATE_DIRECTORY,
} from "./manifest.ts";

/** The former content of the files that the journal names. */
export const UNDO_DIRECTORY = `${STATE_DIRECTORY}/undo`;

const VERSION = 1;
/** `undefined` in the files of earlier versions. */
const version = v.optional(v.literal(VERSION, "a later dockroot wrote it"));

/** How to take back what an install or uninstall does. */
const undoRecord = v.object({
  version,
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

/** What is left to do when all files are written and all images are built. */
const commitRecord = v.object({
  version,
  /** Images that were built under another name than their own. */
  images: listOf(v.object({ from: absolutePath, to: absolutePath })),
  /** Those that go: they may be needed until then. */
  files: listOf(absolutePath),
  /** Those that go where nothing is in them, inner ones first. */
  directories: listOf(absolutePath),
});

export type UndoRecord = v.InferOutput<typeof undoRecord>;
export type CommitRecord = v.InferOutput<typeof commitRecord>;

/**
 * The journal of one install or uninstall. In the phase `undo` an interrupted run is taken back; from
 * `commit` on nothing is taken back, and what is left to do is done.
 */
export type Journal =
  | { readonly phase: "undo"; readonly undo: UndoRecord }
  | { readonly phase: "commit"; readonly commit: CommitRecord };

/**
 * The journal's records, each a file, which is there for as long as its phase: to return from `commit`
 * to `undo` is to remove a file, which needs no room on a full disk. Dockroot's earlier versions have
 * the same two files, but for the version, which they pass over: whichever dockroot runs next goes on
 * with what another one left.
 */
export const JOURNAL = {
  /** From before the first change to the end. */
  undo: {
    file: `${STATE_DIRECTORY}/undo.json`,
    record: undoRecord,
    /** What to do where it cannot be read. */
    hint: `It says how to undo an interrupted run, whose former files are in ${UNDO_DIRECTORY}. Remove both to go on as things are.`,
  },
  /** It counts where both are there. */
  commit: {
    file: `${STATE_DIRECTORY}/ending.json`,
    record: commitRecord,
    hint: "It says which images an interrupted run was to put in place, and which files to remove. Do so, then remove it.",
  },
} as const;

/** The text of a record's file. */
export function formatRecord(record: UndoRecord | CommitRecord): string {
  return `${JSON.stringify({ ...record, version: VERSION }, undefined, 2)}\n`;
}
