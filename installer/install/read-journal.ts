import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import {
  JOURNAL_FILE,
  parseJournal,
  UNDO_DIRECTORY,
  type Journal,
} from "./plan/journal.ts";

const MAX_JOURNAL_BYTES = 1024 * 1024;

/** `undefined` where nothing was interrupted. @throws BootError FILE_UNREADABLE */
export function readJournal(host: Host): Journal | undefined {
  const text = host.readText(JOURNAL_FILE, MAX_JOURNAL_BYTES);
  if (text === undefined) return undefined;
  try {
    return parseJournal(text);
  } catch (cause) {
    throw new BootError("FILE_UNREADABLE", `cannot read ${JOURNAL_FILE}`, {
      cause,
      hint: `It says how to undo an interrupted installation; its files are in ${UNDO_DIRECTORY}. Remove both to go on as things are.`,
    });
  }
}
