import { BootError } from "../base/errors.ts";
import { isImageId } from "../images/image-ref.ts";
import { INITRAMFS_KINDS, type InitramfsKind } from "../options/table.ts";
import { parseJsonObject, unreadable } from "../base/json-values.ts";
import {
  listOf,
  objectOf,
  oneOf,
  orNull,
  parseBoolean,
  parseCount,
  parseString,
  type Parser,
} from "./fields.ts";

/**
 * What becomes of a deployment:
 *
 * - `staged`: its image is kept and its boot files are being written; no entry names it
 * - `candidate`: in the menu, and not confirmed yet
 * - `good`: it is confirmed, or has booted where boots are not counted
 * - `bad`: it could not boot, or was not confirmed in as many boots as it may have
 * - `retired`: its entry is being removed, and its files after that
 */
export const DEPLOYMENT_STATES = [
  "staged",
  "candidate",
  "good",
  "bad",
  "retired",
] as const;

export type DeploymentState = (typeof DEPLOYMENT_STATES)[number];

/** How often a deployment that nobody has confirmed may boot still, and how often it has. */
export interface Tries {
  readonly left: number;
  readonly done: number;
}

/** A kept image with its boot files and its menu entry. */
export interface Deployment {
  /** Counts the deployments of a rwlayer, from 1: the kernel option `dockroot.deployment=`. */
  readonly n: number;
  readonly image: {
    /** As its engine prints it. */
    readonly reference: string;
    readonly id: string;
    /** What the registry calls it; `null` for one that was built here. */
    readonly repoDigest: string | null;
  };
  readonly kernel: {
    readonly release: string;
    /** Of the boot files' contents; the name of their directory. Deployments with the same files share it. */
    readonly digest: string;
    /** The names of the boot files: the kernel, then in the order in which they are loaded. */
    readonly files: readonly string[];
    /** Of all boot files, in bytes. */
    readonly bytes: number;
    /** Where the initramfs is from; the image where it is not said. */
    readonly initramfs?: InitramfsKind;
  };
  /** The kernel command line of its entry. */
  readonly options: string;
  readonly state: DeploymentState;
  /** Of a candidate whose boots are counted, and of a bad one that was; else `null`. */
  readonly tries: Tries | null;
  readonly isPinned: boolean;
  /** Why it is bad. */
  readonly failure: string | null;
  /** Of a bad one, the last errors of its last boot; absent before somebody has looked for them. */
  readonly errors?: readonly string[] | undefined;
  /** Its kernel ran when another one booted in its place, and the machine was restarted for that one's own. */
  readonly hasRestarted?: true | undefined;
}

/** What `.dockroot/<rwlayer>/deployments.json` holds. */
export interface Deployments {
  readonly version: 1;
  readonly rwlayer: string;
  /** Where the boot files are, by the filesystem's UUID; `null` before the first deployment. */
  readonly bootFilesystem: string | null;
  /** Where the boot loader's menu is, likewise. */
  readonly menuFilesystem: string | null;
  /** Whose menu has the entries. */
  readonly loader: string | null;
  /** The image that `dockroot upgrade` follows. */
  readonly reference: string | null;
  /** The deployment that the boot loader starts by itself. */
  readonly next: number | null;
  /** What it started before, which it may still do: absent when the menu is known to have `next`. */
  readonly formerNext?: number | undefined;
  /** The deployment that proved bad, and in whose place `next` boots. */
  readonly inPlaceOf?: number | undefined;
  /** The deployment that boots where that one proves bad; `null` where nothing but the newest good one is known. */
  readonly fallback: number | null;
  /** The last number that was given to one. */
  readonly last: number;
  /** The oldest first. */
  readonly deployments: readonly Deployment[];
  /** While an initramfs is made: what is at `building` is ours to remove. */
  readonly isBuilding?: true;
}

export function noDeployments(rwlayer: string): Deployments {
  return {
    version: 1,
    rwlayer,
    bootFilesystem: null,
    menuFilesystem: null,
    loader: null,
    reference: null,
    next: null,
    fallback: null,
    last: 0,
    deployments: [],
  };
}

/** It is joined to a directory, and what is there is removed. */
const parseFileName: Parser<string> = (value) =>
  /^[\w-][\w.-]*$/.exec(parseString(value) ?? "")?.[0];

const parseDigest: Parser<string> = (value) =>
  /^[0-9a-f]{64}$/.exec(parseString(value) ?? "")?.[0];

const parseImageId: Parser<string> = (value) =>
  isImageId(value) ? value : undefined;

const parseTries = objectOf<Tries>({ left: parseCount, done: parseCount });

const parseDeploymentFields = objectOf(
  {
    n: parseCount,
    image: objectOf({
      reference: parseString,
      id: parseImageId,
      repoDigest: orNull(parseString),
    }),
    kernel: objectOf(
      {
        release: parseString,
        digest: parseDigest,
        files: listOf(parseFileName),
        bytes: parseCount,
      },
      { initramfs: oneOf(INITRAMFS_KINDS) },
    ),
    options: parseString,
    state: oneOf(DEPLOYMENT_STATES),
    isPinned: parseBoolean,
    failure: orNull(parseString),
  },
  // Absent where an earlier version has written it.
  {
    tries: orNull(parseTries),
    errors: listOf(parseString),
    hasRestarted: oneOf([true] as const),
  },
);

const parseDeployment: Parser<Deployment> = (value) => {
  const fields = parseDeploymentFields(value);
  return fields && { tries: null, ...fields };
};

const parseFields = objectOf(
  {
    rwlayer: parseString,
    bootFilesystem: orNull(parseString),
    menuFilesystem: orNull(parseString),
    loader: orNull(parseString),
    reference: orNull(parseString),
    next: orNull(parseCount),
    last: parseCount,
    deployments: listOf(parseDeployment),
  },
  {
    fallback: orNull(parseCount),
    formerNext: parseCount,
    inPlaceOf: parseCount,
    isBuilding: oneOf([true] as const),
  },
);

/**
 * Reads the text of deployments.json.
 * @throws BootError FILE_UNREADABLE where it is damaged, STATE_TOO_NEW for versions to come
 */
export function parseDeployments(text: string): Deployments {
  const { version, ...fields } = parseJsonObject(text);
  if (typeof version === "number" && version > 1) {
    throw new BootError(
      "STATE_TOO_NEW",
      `its version is ${String(version)}, and this dockroot knows version 1`,
    );
  }
  const parsed = version === 1 ? parseFields(fields) : undefined;
  if (parsed !== undefined) return { version: 1, fallback: null, ...parsed };
  throw unreadable("its version or a field is missing or damaged");
}
