import {
  isCount,
  isRecord,
  parseJsonObject,
  unreadable,
} from "../../../runtime/base/json-values.ts";

export const STATE_DIRECTORY = "/var/lib/dockroot";
export const MANIFEST_FILE = `${STATE_DIRECTORY}/install.json`;
/** What stood where something of ours stands now. */
export const FORMER_DIRECTORY = `${STATE_DIRECTORY}/former`;

/** Hooks that somebody has changed since: where they were they would go on to run. */
export const KEPT_DIRECTORY = `${STATE_DIRECTORY}/kept`;

/** A file as it was before. */
export interface FormerFile {
  /** Where its content is kept, absolute. */
  readonly kept: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** A file that install wrote. */
export interface InstalledFile {
  readonly path: string;
  /** Of what was written: another one means that somebody has changed it since. */
  readonly sha256: string;
  readonly former: FormerFile | undefined;
  /** Whether it is a configuration that others write to, with the hook in it. */
  readonly isEdit: boolean;
}

/** What install did, for uninstall to take back. */
export interface Manifest {
  readonly generator: string;
  readonly files: readonly InstalledFile[];
  /** The directories that had to be made, outer ones first. */
  readonly directories: readonly string[];
  /** The initramfs images that there were none of before. */
  readonly newImages: readonly string[];
  /** The hash of all that went into the initramfs images; `undefined` where they were not built. */
  readonly built: string | undefined;
}

const VERSION = 1;

export function formatManifest(manifest: Manifest): string {
  return `${JSON.stringify({ version: VERSION, ...manifest }, undefined, 2)}\n`;
}

/** @throws BootError FILE_UNREADABLE where it is damaged, or of a later dockroot */
export function parseManifest(text: string): Manifest {
  const { version, generator, files, directories, newImages, built } =
    parseJsonObject(text);
  if (version !== VERSION) {
    throw unreadable(
      `its version is not ${String(VERSION)}: a later dockroot wrote it`,
    );
  }
  if (
    typeof generator !== "string" ||
    !Array.isArray(files) ||
    !isPathList(directories) ||
    !isPathList(newImages) ||
    (built !== undefined && typeof built !== "string")
  ) {
    throw unreadable("a part of it is missing");
  }
  return {
    ...{ generator, directories, newImages, built },
    files: files.map(parseFile),
  };
}

function parseFile(value: unknown): InstalledFile {
  if (isRecord(value) && isPath(value["path"]) && isHash(value["sha256"])) {
    const { path, sha256, former, isEdit } = value;
    if (
      typeof isEdit === "boolean" &&
      (former === undefined || isFormerFile(former))
    ) {
      return { path, sha256, former, isEdit };
    }
  }
  throw unreadable("a file in it is not valid");
}

/** Whether it tells of a file as it was. */
export function isFormerFile(value: unknown): value is FormerFile {
  return (
    isRecord(value) &&
    isPath(value["kept"]) &&
    value["kept"].startsWith(`${STATE_DIRECTORY}/`) &&
    ["mode", "uid", "gid"].every((key) => isCount(value[key]))
  );
}

/** Whether it is a list of those. */
export function isPathList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(isPath);
}

/** Whether it is an absolute path that leads nowhere else. */
export function isPath(value: unknown): value is string {
  return (
    typeof value === "string" &&
    value.startsWith("/") &&
    !value.includes("\0") &&
    !value.split("/").includes("..")
  );
}

function isHash(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
}
