import * as v from "valibot";
import { parseJson } from "../../text/parse-json.ts";
import {
  absolutePath,
  formerFile,
  listOf,
  STATE_DIRECTORY,
} from "./manifest.ts";

export const JOURNAL_FILE = `${STATE_DIRECTORY}/journal.json`;
/** The former content of the files that the journal names. */
export const UNDO_DIRECTORY = `${STATE_DIRECTORY}/undo`;

/** How to take back what an install or uninstall does. */
const undoRecord = v.object({
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
  /** Images that were built under another name than their own. */
  images: listOf(v.object({ from: absolutePath, to: absolutePath })),
  /** Those that go: they may be needed until then. */
  files: listOf(absolutePath),
  /** Those that go where nothing is in them, inner ones first. */
  directories: listOf(absolutePath),
});

/**
 * The journal of one install or uninstall, which is there from before its first change until its end.
 * While the phase is `undo` an interrupted run is taken back; from `commit` on nothing is taken back,
 * and what is left to do is done.
 */
const journal = v.object({
  version: v.literal(1, "a later dockroot wrote it"),
  phase: v.picklist(["undo", "commit"]),
  undo: undoRecord,
  commit: commitRecord,
});

export type UndoRecord = v.InferOutput<typeof undoRecord>;
export type CommitRecord = v.InferOutput<typeof commitRecord>;
export type Journal = v.InferOutput<typeof journal>;

const NOTHING: Journal = {
  version: 1,
  phase: "undo",
  undo: { files: [], directories: [] },
  commit: { images: [], files: [], directories: [] },
};

/**
 * Where a journal is looked for, the file that counts first. Earlier versions had a file for each
 * phase: that of `commit` was written beside that of `undo`.
 */
export const JOURNALS: readonly {
  readonly file: string;
  /** @throws BootError FILE_UNREADABLE */
  readonly parse: (text: string) => Journal;
  /** What to do where it cannot be read. */
  readonly hint: string;
}[] = [
  {
    file: JOURNAL_FILE,
    parse: (text) => parseJson(journal, text),
    hint: `It says how to undo an interrupted run, whose former files are in ${UNDO_DIRECTORY}, or how to finish it. Remove both to go on as things are.`,
  },
  {
    file: `${STATE_DIRECTORY}/ending.json`,
    parse: (text) => ({
      ...NOTHING,
      phase: "commit",
      commit: parseJson(commitRecord, text),
    }),
    hint: "It says which images an interrupted run was to put in place, and which files to remove. Do so, then remove it.",
  },
  {
    file: `${STATE_DIRECTORY}/undo.json`,
    parse: (text) => ({ ...NOTHING, undo: parseJson(undoRecord, text) }),
    hint: `It says how to undo an interrupted installation; its files are in ${UNDO_DIRECTORY}. Remove both to go on as things are.`,
  },
];
