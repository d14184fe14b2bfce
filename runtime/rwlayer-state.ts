import path from "node:path";
import { BootError } from "./host/errors.ts";
import type { Host } from "./host/host.ts";

/** One subvolume that dockroot made: complete, and durable wherever it stands but in staging. */
export interface SubvolumeRecord {
  /** btrfs's UUID of it: what proves that a subvolume is ours, whatever its name. */
  readonly uuid: string;
  /** Counts the rwlayers made under this name, from 1. Never a clock. */
  readonly boot: number;
  readonly image: { readonly reference: string; readonly id: string };
  /** The source it is a snapshot of, relative to the top level. */
  readonly source: string;
}

/** What `.dockroot/<rwlayer>/state.json` holds. */
export interface RwlayerState {
  readonly version: 1;
  readonly rwlayer: string;
  readonly subvolumes: readonly SubvolumeRecord[];
}

const MAX_STATE_BYTES = 1024 * 1024;

/** Where dockroot keeps what belongs to one rwlayer; all relative to the top level. */
export interface RwlayerPaths {
  readonly rwlayer: string;
  readonly directory: string;
  readonly staging: string;
  readonly generations: string;
  readonly state: string;
}

export const DOCKROOT_DIRECTORY = ".dockroot";

/** @param rwlayer its path, relative to the top level; its slashes become `%2F` in our directory's name */
export function rwlayerPaths(rwlayer: string): RwlayerPaths {
  const directory = path.join(
    DOCKROOT_DIRECTORY,
    rwlayer.replaceAll("%", "%25").replaceAll("/", "%2F"),
  );
  return {
    rwlayer,
    directory,
    staging: path.join(directory, "staging"),
    generations: path.join(directory, "generations"),
    state: path.join(directory, "state.json"),
  };
}

export function emptyState(rwlayer: string): RwlayerState {
  return { version: 1, rwlayer, subvolumes: [] };
}

/**
 * Reads state.json. Where there is none, nothing is ours.
 * @throws BootError FILE_UNREADABLE where it is damaged: then nothing can be proved ours
 */
export function readState(
  host: Host,
  topLevel: string,
  paths: RwlayerPaths,
): RwlayerState {
  const file = path.join(topLevel, paths.state);
  const text = host.files.readText(file, MAX_STATE_BYTES);
  if (text === undefined) return emptyState(paths.rwlayer);
  try {
    return parseState(text);
  } catch (cause) {
    throw new BootError("FILE_UNREADABLE", `${paths.state} is damaged`, {
      cause,
      hint: `Mount the filesystem with -o subvolid=5, move ${paths.rwlayer} and ${paths.state} to other names and start again: the rwlayer is then made anew.`,
    });
  }
}

/** @throws Error where the text is not a state of version 1 */
export function parseState(text: string): RwlayerState {
  const value: unknown = JSON.parse(text);
  if (!isRecord(value) || value["version"] !== 1) {
    throw new Error("it is not a state of version 1");
  }
  const { rwlayer, subvolumes } = value;
  if (typeof rwlayer !== "string" || !Array.isArray(subvolumes)) {
    throw new Error("it lacks rwlayer or subvolumes");
  }
  return {
    version: 1,
    rwlayer,
    subvolumes: subvolumes.map(parseSubvolumeRecord),
  };
}

function parseSubvolumeRecord(value: unknown): SubvolumeRecord {
  if (isRecord(value) && isRecord(value["image"])) {
    const { uuid, boot, source } = value;
    const { reference, id } = value["image"];
    if (
      typeof uuid === "string" &&
      typeof boot === "number" &&
      typeof source === "string" &&
      typeof reference === "string" &&
      typeof id === "string"
    ) {
      return { uuid, boot, source, image: { reference, id } };
    }
  }
  throw new Error("one of its subvolumes lacks a field");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Replaces state.json as a whole. */
export function writeState(
  host: Host,
  topLevel: string,
  paths: RwlayerPaths,
  state: RwlayerState,
): void {
  host.files.replaceFile(
    path.join(topLevel, paths.state),
    `${JSON.stringify(state, null, 2)}\n`,
    0o600,
  );
}
