import {
  FORMER_DIRECTORY,
  type InstalledFile,
  type Manifest,
  KEPT_DIRECTORY,
} from "./records.ts";
import { systemErrorCode } from "../../../runtime/base/errors.ts";
import { hintFor } from "../../../runtime/base/hints.ts";
import type { FileStatus } from "../../../runtime/host/files.ts";
import type { FileEdit } from "../../generators/generator.ts";

/** Who may do what with a file. */
export type Attributes = Pick<FileStatus, "mode" | "uid" | "gid">;

/** What a file is to hold. */
export type Content =
  | { readonly text: string }
  /** The file of that absolute path, as it is before any change is made. */
  | { readonly copyOf: string };

/** A file that is to be other than it is. */
export type Change =
  | ({
      readonly kind: "write";
      readonly path: string;
      readonly content: Content;
    } & Attributes)
  | { readonly kind: "remove"; readonly path: string }
  /** Another program may replace it: only what it is now is kept. */
  | { readonly kind: "keep"; readonly path: string };

export function writeChange(
  path: string,
  content: Content,
  { mode, uid, gid }: Attributes,
): Change {
  return { kind: "write", path, content, mode, uid, gid };
}

/** A file that is to be there. */
export interface WantedFile {
  readonly path: string;
  readonly content: Content;
  readonly sha256: string;
  /** As it is, or 0644, where it is absent. */
  readonly mode?: number;
  /** Whether it is a configuration that others write to. */
  readonly isEdit: boolean;
  /** Whether it has what stands there in it: what somebody has written there since stays theirs. */
  readonly isTakenOver?: boolean;
}

/** A file that is there. */
export type PresentFile = Attributes & { readonly sha256: string };

/** What files there are, by their paths: those of the wanted ones and of the manifest. */
export type PresentFiles = ReadonlyMap<string, PresentFile>;

interface FilePlan {
  readonly changes: readonly Change[];
  /** The manifest's. */
  readonly files: readonly InstalledFile[];
  readonly warnings: readonly string[];
}

const DEFAULT_MODE = 0o644;

/**
 * What has to change for the wanted files to be there. What stands in their place and is not ours, or
 * was changed since, is kept for uninstall. What a former install wrote and is no longer wanted is
 * taken back.
 */
export function planInstall(
  wanted: readonly WantedFile[],
  present: PresentFiles,
  manifest: Manifest | undefined,
): FilePlan {
  const installed = new Map(
    manifest?.files.map((file) => [file.path, file]) ?? [],
  );
  const changes: Change[] = [];
  const files: InstalledFile[] = [];
  const warnings: string[] = [];
  const kept = new Set(
    [...installed.values()].flatMap(({ former }) => former?.kept ?? []),
  );
  for (const file of wanted) {
    const { path, sha256, content, isEdit, isTakenOver = false } = file;
    const now = present.get(path);
    const own = installed.get(path);
    const mode = file.mode ?? now?.mode ?? DEFAULT_MODE;
    installed.delete(path);
    if (now?.sha256 === sha256 && now.mode === mode) {
      // What was there before is not ours.
      if (own !== undefined) files.push(isTakenOver ? own : { ...own, sha256 });
      continue;
    }
    const { uid, gid } = now ?? { uid: 0, gid: 0 };
    let former = own?.former;
    if (isEdit && own !== undefined && now?.sha256 !== own.sha256) {
      // The hook is in what stands there: it is to be taken out, not to come back.
      former = undefined;
    } else if (now !== undefined && now.sha256 !== own?.sha256) {
      if (own !== undefined) {
        warnings.push(
          `${path} was changed after the last install; uninstall restores the changed file`,
        );
      }
      former = { kept: freeName(kept), mode: now.mode, uid, gid };
      // Whatever it is, it is nobody's business.
      const hidden = { mode: 0o600, uid: 0, gid: 0 };
      changes.push(writeChange(former.kept, { copyOf: path }, hidden));
    }
    changes.push(writeChange(path, content, { mode, uid, gid }));
    files.push({ path, sha256, former, isEdit });
  }
  // An edit that is no longer wanted is one that is in place.
  const others = [...installed.values()];
  files.push(...others.filter((file) => file.isEdit));
  const left = planRemoval(
    others.filter((file) => !file.isEdit),
    present,
  );
  return {
    changes: [...changes, ...left.changes],
    files,
    warnings: [
      ...warnings,
      ...left.changed.map(
        (path) => `${path} was changed after the last install, and is kept`,
      ),
    ],
  };
}

/** What takes back what install wrote. */
interface RemovalPlan {
  readonly changes: readonly Change[];
  /** Files that somebody has changed since: they are left as they are. */
  readonly changed: readonly string[];
}

/** @param files of the manifest */
export function planRemoval(
  files: readonly InstalledFile[],
  present: PresentFiles,
): RemovalPlan {
  const changes: Change[] = [];
  const changed: string[] = [];
  for (const { path, sha256, former, isEdit } of files) {
    const now = present.get(path);
    if (now === undefined) continue;
    if (now.sha256 !== sha256 || (isEdit && former === undefined)) {
      changed.push(path);
    } else if (former === undefined) {
      changes.push({ kind: "remove", path });
    } else {
      changes.push(writeChange(path, { copyOf: former.kept }, former));
    }
  }
  return { changes, changed };
}

/** @param taken gets the name */
function freeName(taken: Set<string>): string {
  for (let count = 0; ; count += 1) {
    const name = `${FORMER_DIRECTORY}/${String(count)}`;
    if (taken.has(name)) continue;
    taken.add(name);
    return name;
  }
}

/** What to do where the system refuses to write. */
export function remedyOf(error: unknown): string {
  if (isFull(error)) return "Free some space on that disk, and try again.";
  if (systemErrorCode(error) === "EROFS") {
    return "Mount it read-write, and try again.";
  }
  return hintFor(error);
}

export function isFull(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT"].includes(systemErrorCode(error) ?? "");
}

/** A file of ours that somebody has changed since, and that uninstall therefore keeps. */
export interface KeptFile {
  readonly path: string;
  /** Where it is kept; `undefined`: where it is. */
  readonly keptAs: string | undefined;
}

/**
 * What takes an installation back. Of files that were changed since, edits are taken out, and hooks are
 * moved away: without the executable they would end every build of an initramfs.
 * @param files of the manifest
 * @param edits what takes the hook out of the generator's configuration
 * @param hooks the paths of the generator's own files
 */
export function planUninstall(
  files: readonly InstalledFile[],
  present: PresentFiles,
  edits: readonly FileEdit[],
  hooks: ReadonlySet<string>,
): { readonly kept: readonly KeptFile[]; readonly changes: readonly Change[] } {
  const removal = planRemoval(files, present);
  const changes = [...removal.changes];
  const kept: KeptFile[] = [];
  for (const { path, isEdit } of files) {
    const now = present.get(path);
    if (now === undefined || !removal.changed.includes(path)) continue;
    const text = edits.find((edit) => edit.path === path)?.content;
    if (isEdit) {
      if (text !== undefined) changes.push(writeChange(path, { text }, now));
    } else if (hooks.has(path)) {
      const keptAs = `${KEPT_DIRECTORY}${path}`;
      changes.push(writeChange(keptAs, { copyOf: path }, now));
      changes.push({ kind: "remove", path });
      kept.push({ path, keptAs });
    } else {
      kept.push({ path, keptAs: undefined });
    }
  }
  return { kept, changes };
}
