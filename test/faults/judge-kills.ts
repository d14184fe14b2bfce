import fs from "node:fs";
import {
  parseState,
  type RwlayerState,
} from "../../runtime/records/rwlayer-state.ts";
import { GENERATIONS, OWN_DIRECTORY, RWLAYER } from "./boot-scenarios.ts";
import {
  isBtrfs,
  readContent,
  subvolumeAt,
  type DiskContent,
} from "./disk-content.ts";
import type { Start } from "./faulty-start.ts";
import { describeMadeRoot } from "./judge-start.ts";
import { lost, wrong, type Problem } from "./tally.ts";

/** A disk with what dockroot knows of it. */
export interface KnownDisk {
  readonly content: DiskContent;
  /** state.json, without subvolumes where there is none; of overlays what each root says of itself. */
  readonly state: Pick<RwlayerState, "subvolumes">;
}

/** Reads a disk that is mounted. */
export async function readKnown(topLevel: string): Promise<KnownDisk> {
  const content = await readContent(topLevel);
  if (!isBtrfs(topLevel))
    return { content, state: readOverlayState(topLevel, content) };
  const file = `${topLevel}/${OWN_DIRECTORY}/state.json`;
  const state = fs.existsSync(file)
    ? parseState(fs.readFileSync(file, "utf8"))
    : { subvolumes: [] };
  return { content, state };
}

function readOverlayState(
  topLevel: string,
  { subvolumes }: DiskContent,
): KnownDisk["state"] {
  const records = subvolumes.flatMap(({ path }) => {
    const file = `${topLevel}/${path}/root.json`;
    if (!fs.existsSync(file)) return [];
    return parseState(fs.readFileSync(file, "utf8")).subvolumes;
  });
  return {
    subvolumes: records.map(({ handedOver: _, ...record }) => record),
  };
}

/** A root of ours, where roots stand. */
interface StandingRoot {
  readonly path: string;
  readonly uuid: string;
}

/** What is known of the roots by what was done, not by what dockroot says of them. */
export interface History {
  /** Those that were there before all of it. */
  readonly former: ReadonlySet<string>;
  /** Those in which somebody has worked. */
  readonly used: ReadonlySet<string>;
  /** Those that init has had: a finish has succeeded. */
  readonly handedOver: ReadonlySet<string>;
  /** Whether init may have had others that are new: a finish was interrupted. */
  readonly isUnsure: boolean;
  /** Whether a finish has done all of its work, and not left some to the next one. */
  readonly isClean: boolean;
}

/**
 * Whether state.json is true: each root that stands is recorded, complete where it is a whole one, and
 * as handed over to init where it was; and nothing is recorded that is gone.
 */
export function judgeState(
  { content, state }: KnownDisk,
  reference: DiskContent,
  { former, handedOver, isUnsure, isClean }: History,
): Problem[] {
  const there = new Set(content.subvolumes.map(({ uuid }) => uuid));
  return wrong([
    ...state.subvolumes
      .filter(({ uuid }) => !there.has(uuid))
      .map(({ uuid }) => `the state has a record of ${uuid}, which is gone`),
    ...rootsOf(content).flatMap(({ path, uuid }) => {
      const record = state.subvolumes.find((each) => each.uuid === uuid);
      if (record === undefined) return [`the state does not know ${path}`];
      const isHandedOver = record.handedOver !== null;
      // An overlay's record does not tell.
      const isTold = record.handedOver !== undefined;
      return [
        ...(record.complete || !(isClean || path === RWLAYER)
          ? []
          : [`${path} is recorded as in the making`]),
        ...(!isTold ||
        isHandedOver === handedOver.has(uuid) ||
        (isUnsure && isHandedOver && !former.has(uuid))
          ? []
          : [
              `${path} is recorded as ${isHandedOver ? "" : "not "}handed over to init`,
            ]),
        ...(former.has(uuid) || path === RWLAYER
          ? []
          : describeMadeRoot(`the root ${path}`, content, reference, path)),
      ];
    }),
  ]);
}

/** Whether what is recorded as complete is whole, right after an attack. */
export function judgeCompleteness(
  { content, state }: KnownDisk,
  reference: DiskContent,
  { former }: History,
): Problem[] {
  return wrong(
    state.subvolumes
      .filter(({ complete, uuid }) => complete && !former.has(uuid))
      .flatMap(({ uuid }) => {
        const place = content.subvolumes.find((each) => each.uuid === uuid);
        if (place === undefined) return [];
        const name = `${place.path}, recorded as complete,`;
        return describeMadeRoot(name, content, reference, place.path);
      }),
  );
}

/**
 * Whether the generations are those that the documented rule keeps: after a new root the newest ones
 * that were used and, of those that are newer, as many that were not; after a former one all.
 */
export function judgeGenerations(
  before: KnownDisk,
  after: KnownDisk,
  { record }: Start,
  { used, isClean }: History,
): Problem[] {
  const pathState = rootsOf(after.content);
  const isThere = ({ uuid }: StandingRoot) =>
    pathState.some((each) => each.uuid === uuid);
  const root = subvolumeAt(after.content, RWLAYER);
  const known = rootsOf(before.content).filter(
    ({ uuid }) => uuid !== root?.uuid,
  );
  const added = pathState.filter(
    ({ uuid }) =>
      uuid !== root?.uuid && !known.some((each) => each.uuid === uuid),
  );
  const roots = [...known, ...added];
  const kept = record?.result === "fallback" ? roots : chooseKept(roots, used);
  return [
    ...lost(
      kept
        .filter((each) => !isThere(each))
        .map(({ path }) => `the former root ${path} is removed too early`),
    ),
    ...wrong(
      roots
        .filter((each) => isClean && isThere(each) && !kept.includes(each))
        .map(({ path }) => `the former root ${path} is past the limit`),
    ),
  ];
}

/** @param roots the newest last */
function chooseKept(
  roots: readonly StandingRoot[],
  used: ReadonlySet<string>,
): StandingRoot[] {
  const isUsed = ({ uuid }: StandingRoot) => used.has(uuid);
  const lastUsed = roots.filter(isUsed).slice(-GENERATIONS);
  const oldest = lastUsed.length < GENERATIONS ? undefined : lastUsed[0];
  const newer = roots.slice(oldest === undefined ? 0 : roots.indexOf(oldest));
  const others = newer.filter((root) => !isUsed(root)).slice(-GENERATIONS);
  return [...lastUsed, ...others];
}

/** The generations, the newest last, then the root. */
function rootsOf(content: DiskContent): StandingRoot[] {
  const place = new RegExp(`^${OWN_DIRECTORY}/generations/([1-9]\\d*)$`);
  const generations = content.subvolumes
    .flatMap(({ path, uuid }) => {
      const [, number] = place.exec(path) ?? [];
      return number === undefined
        ? []
        : [{ path, uuid, number: Number(number) }];
    })
    .toSorted((one, other) => one.number - other.number);
  const root = subvolumeAt(content, RWLAYER);
  return [...generations, ...(root === undefined ? [] : [root])];
}
