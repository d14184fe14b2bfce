import {
  isRecord,
  parseJsonObject,
  unreadable,
} from "../../../runtime/base/json-values.ts";
import { isPath, isPathList } from "./manifest.ts";

/** What is left to do when all files are written and all images are built. */
export interface CommitRecord {
  /** Images that were built under another name than their own. */
  readonly images: readonly { readonly from: string; readonly to: string }[];
  /** Those that go: they may be needed until then. */
  readonly files: readonly string[];
  /** Those that go where nothing is in them, inner ones first. */
  readonly directories: readonly string[];
}

export function formatCommitRecord(commit: CommitRecord): string {
  return `${JSON.stringify(commit, undefined, 2)}\n`;
}

/** @throws BootError FILE_UNREADABLE */
export function parseCommitRecord(text: string): CommitRecord {
  const { images, files, directories } = parseJsonObject(text);
  if (
    !Array.isArray(images) ||
    !isPathList(files) ||
    !isPathList(directories)
  ) {
    throw unreadable("a part of it is missing");
  }
  return {
    ...{ files, directories },
    images: images.map((image: unknown) => {
      if (!isRecord(image) || !isPath(image["from"]) || !isPath(image["to"])) {
        throw unreadable("an image in it is not valid");
      }
      return { from: image["from"], to: image["to"] };
    }),
  };
}
