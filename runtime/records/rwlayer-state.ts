import type { RwlayerPaths } from "../options/rwlayer-names.ts";
import { BootError } from "../base/errors.ts";
import { parseJsonObject, unreadable } from "../base/json-values.ts";
import {
  listOf,
  objectOf,
  orNull,
  parseBoolean,
  parseCount,
  parseString,
  type Parser,
} from "./fields.ts";

/** What a top layer holds, its own directory not counted; of several, all that they hold. */
export interface TopLayerRecord {
  /** How the user calls it. */
  readonly name: string;
  /**
   * Changes with every name, kind, owner, mode, size, link, device number and time in the tree, those
   * of the last change of an inode included: contents and xattrs cannot change without one of them.
   */
  readonly digest: string;
  readonly files: number;
  readonly directories: number;
  readonly symlinks: number;
  /** FIFOs, devices and sockets. */
  readonly others: number;
  /** The apparent size of the files. */
  readonly bytes: number;
}

export interface TimeSpan {
  readonly fromMs: number;
  readonly toMs: number;
}

/** One subvolume that dockroot made. */
export interface SubvolumeRecord {
  /** btrfs's UUID of it: what proves that a subvolume is ours, whatever its name. Of an overlay its own. */
  readonly uuid: string;
  /** Counts the rwlayers made under this name, from 1. Never a clock. */
  readonly boot: number;
  /** Whether all that belongs into it was there when this was written. Only such a one may boot. */
  readonly complete: boolean;
  readonly image: { readonly reference: string; readonly id: string };
  /** The source it is a snapshot of, or that of the topmost layer it is made of; relative to the top level. */
  readonly source: string;
  /** The keys of the layers that it is an overlay of, the topmost first; absent for a subvolume. */
  readonly layers?: readonly string[];
  /** What was copied over it; `null` without a top layer. */
  readonly toplayer: TopLayerRecord | null;
  /** The deployment that it was made for; absent where its boot named none. */
  readonly deployment?: number;
  /** The kernel's boot_id of the last boot that has mounted it as root; absent before. */
  readonly bootId?: string;
  /**
   * btrfs's number of the transaction that had changed it last when `dockroot finish` handed it over to
   * init, the last time before it was used; `null` before the first, and of an overlay. Absent where that is not known: it was made by an earlier dockroot.
   */
  readonly handedOver?: number | null;
  /**
   * Of an overlay: when what was written to it had been changed (ctime, ms) as `dockroot finish` handed it over to init,
   * the last time before it was used. Absent before, and where nothing was.
   */
  readonly writtenBefore?: TimeSpan;
  /** It is not the subvolume that was made, but stands in its place: never removed. */
  readonly isCopy?: boolean;
}

/** What `.dockroot/<rwlayer>/state.json` holds. */
export interface RwlayerState {
  readonly version: 2;
  readonly rwlayer: string;
  readonly subvolumes: readonly SubvolumeRecord[];
}

/** The number of the last boot that made a rwlayer; 0 before the first. */
export function lastBootOf({ subvolumes }: RwlayerState): number {
  return Math.max(0, ...subvolumes.map(({ boot }) => boot));
}

export function emptyState(rwlayer: string): RwlayerState {
  return { version: 2, rwlayer, subvolumes: [] };
}

/** @param file the subvolume that is known by its own record alone */
export function describeAdopted(file: string, { state }: RwlayerPaths): string {
  return `${state} does not list the subvolume ${file}, but its own record says that dockroot made it: it counts as an earlier root`;
}

/** The record of a subvolume; `undefined` where it cannot be proved that dockroot made it. */
export function findRecord(
  state: RwlayerState,
  uuid: string,
): SubvolumeRecord | undefined {
  return state.subvolumes.find((record) => record.uuid === uuid);
}

/** The state with this record in the place of an earlier one of the same subvolume. */
export function withRecord(
  state: RwlayerState,
  record: SubvolumeRecord,
): RwlayerState {
  const { subvolumes } = withoutRecord(state, record.uuid);
  return { ...state, subvolumes: [...subvolumes, record] };
}

/** The state without the record of a subvolume that is gone. */
export function withoutRecord(state: RwlayerState, uuid: string): RwlayerState {
  const subvolumes = state.subvolumes.filter((record) => record.uuid !== uuid);
  return { ...state, subvolumes };
}

export const parseImageRecord = objectOf<SubvolumeRecord["image"]>({
  reference: parseString,
  id: parseString,
});

export const parseTopLayerRecord = orNull(
  objectOf<TopLayerRecord>({
    name: parseString,
    digest: parseString,
    files: parseCount,
    directories: parseCount,
    symlinks: parseCount,
    others: parseCount,
    bytes: parseCount,
  }),
);

/** Whether it can name a layer: it stands for a directory, and in no path leads out of it. */
export function isLayerKey(name: string): boolean {
  return /^[0-9A-Za-z][\w+-]{0,127}$/.test(name);
}

/** overlayfs itself takes 500. */
const MAX_LAYERS = 500;

export const parseLayers: Parser<string[]> = (value) => {
  const keys = listOf(parseString)(value);
  const isValid = keys?.every(isLayerKey) === true && keys.length <= MAX_LAYERS;
  return isValid ? keys : undefined;
};

const parseSubvolumeRecord: Parser<SubvolumeRecord> = objectOf(
  {
    uuid: parseString,
    boot: parseCount,
    complete: parseBoolean,
    image: parseImageRecord,
    source: parseString,
    toplayer: parseTopLayerRecord,
  },
  {
    layers: parseLayers,
    deployment: parseCount,
    bootId: parseString,
    handedOver: orNull(parseCount),
    writtenBefore: objectOf({ fromMs: parseCount, toMs: parseCount }),
    isCopy: parseBoolean,
  },
);

const parseFields = objectOf({
  rwlayer: parseString,
  subvolumes: listOf(parseSubvolumeRecord),
});

/**
 * Reads the text of state.json; what it does not know in it is left out.
 * @throws BootError FILE_UNREADABLE where it is no state, STATE_TOO_NEW for versions to come
 */
export function parseState(text: string): RwlayerState {
  const { version, ...fields } = parseJsonObject(text);
  if (version !== 2) {
    const isNumber = typeof version === "number";
    const why = `its version is ${isNumber ? String(version) : "missing"}, and this dockroot knows version 2`;
    throw isNumber && version > 2
      ? new BootError("STATE_TOO_NEW", why)
      : unreadable(why);
  }
  const state = parseFields(fields);
  if (state !== undefined) return { version, ...state };
  throw unreadable(
    "rwlayer, subvolumes or a field of one is missing or damaged",
  );
}
