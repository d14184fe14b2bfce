import {
  isRecord,
  parseJsonObject,
  unreadable,
} from "../../../runtime/base/json-values.ts";
import {
  isFormerFile,
  isPath,
  isPathList,
  STATE_DIRECTORY,
  type FormerFile,
} from "./manifest.ts";

/** While there is one, what it tells of is to be undone: nothing has been installed or removed. */
export const JOURNAL_FILE = `${STATE_DIRECTORY}/undo.json`;
export const UNDO_DIRECTORY = `${STATE_DIRECTORY}/undo`;

/** How to take back what an install or uninstall is about to do. */
export interface Journal {
  readonly files: readonly {
    readonly path: string;
    /** `undefined` where there was nothing. */
    readonly former: FormerFile | undefined;
  }[];
  /** Those that are about to be made, outer ones first. */
  readonly directories: readonly string[];
}

export function formatJournal(journal: Journal): string {
  return `${JSON.stringify(journal, undefined, 2)}\n`;
}

/** @throws BootError FILE_UNREADABLE */
export function parseJournal(text: string): Journal {
  const { files, directories } = parseJsonObject(text);
  if (!Array.isArray(files) || !isPathList(directories)) {
    throw unreadable("a part of it is missing");
  }
  return {
    directories,
    files: files.map((file: unknown) => {
      if (!isRecord(file) || !isPath(file["path"])) {
        throw unreadable("a file in it is not valid");
      }
      const { path, former } = file;
      if (former !== undefined && !isFormerFile(former)) {
        throw unreadable("a former file in it is not valid");
      }
      return { path, former };
    }),
  };
}
