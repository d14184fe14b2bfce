import { BootError } from "../base/errors.ts";
import {
  isCount,
  isRecord,
  parseJsonObject,
  unreadable,
} from "../base/json-values.ts";
import type {
  RwlayerState,
  SubvolumeRecord,
  TopLayerRecord,
} from "./rwlayer-state.ts";

/**
 * Reads the text of state.json; what it does not know in it is left out.
 * @throws BootError FILE_UNREADABLE where it is no state, STATE_TOO_NEW for versions to come
 */
export function parseState(text: string): RwlayerState {
  const { version, rwlayer, subvolumes } = parseJsonObject(text);
  if (typeof version === "number" && version > 2) {
    throw new BootError(
      "STATE_TOO_NEW",
      `it is of version ${String(version)}, and this dockroot knows version 2`,
    );
  }
  if (version !== 2) {
    throw unreadable(
      `it is of version ${typeof version === "number" ? String(version) : "none"}, and this dockroot knows version 2`,
    );
  }
  if (typeof rwlayer !== "string" || !Array.isArray(subvolumes)) {
    throw unreadable("it lacks rwlayer or subvolumes");
  }
  return {
    version,
    rwlayer,
    subvolumes: subvolumes.map((entry: unknown) => {
      const record = parseSubvolumeRecord(entry);
      if (record !== undefined) return record;
      throw unreadable("one of its subvolumes lacks a field");
    }),
  };
}

function parseSubvolumeRecord(value: unknown): SubvolumeRecord | undefined {
  if (!isRecord(value)) return undefined;
  const { uuid, boot, complete, source, bootId, handedOver, isCopy } = value;
  const image = parseImageRecord(value["image"]);
  const toplayer = parseTopLayerRecord(value["toplayer"]);
  return typeof uuid === "string" &&
    isCount(boot) &&
    typeof complete === "boolean" &&
    typeof source === "string" &&
    image !== undefined &&
    toplayer !== undefined &&
    (bootId === undefined || typeof bootId === "string") &&
    (handedOver === undefined || handedOver === null || isCount(handedOver)) &&
    (isCopy === undefined || typeof isCopy === "boolean")
    ? {
        uuid,
        boot,
        complete,
        image,
        source,
        toplayer,
        ...(bootId !== undefined && { bootId }),
        ...(handedOver !== undefined && { handedOver }),
        ...(isCopy !== undefined && { isCopy }),
      }
    : undefined;
}

/** @returns `undefined` where it is damaged */
export function parseImageRecord(
  value: unknown,
): SubvolumeRecord["image"] | undefined {
  if (!isRecord(value)) return undefined;
  const { reference, id } = value;
  return typeof reference === "string" && typeof id === "string"
    ? { reference, id }
    : undefined;
}

/** @returns `undefined` where it is damaged */
export function parseTopLayerRecord(
  value: unknown,
): TopLayerRecord | null | undefined {
  if (value === null) return null;
  if (!isRecord(value)) return undefined;
  const { name, digest, files, directories, symlinks, others, bytes } = value;
  return typeof name === "string" &&
    typeof digest === "string" &&
    isCount(files) &&
    isCount(directories) &&
    isCount(symlinks) &&
    isCount(others) &&
    isCount(bytes)
    ? { name, digest, files, directories, symlinks, others, bytes }
    : undefined;
}
