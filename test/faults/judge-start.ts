import type { TreeListing } from "../../fixtures/tree-listing.ts";
import { withoutOwnRecord } from "../root/made-root.ts";
import {
  describeChange,
  describeLosses,
  subvolumeAt,
  timeless,
  type DiskContent,
} from "./disk-content.ts";
import { GENERATIONS, OWN_DIRECTORY, RWLAYER } from "./boot-scenarios.ts";
import type { Start } from "./faulty-start.ts";
import {
  describeBases,
  describeMissingBase,
  rootOfBase,
} from "./judge-bases.ts";
import { findRawControl } from "./raw-controls.ts";
import { lost, wrong, type Problem } from "./tally.ts";

const STAGING = `${OWN_DIRECTORY}/staging`;

/** What there was, and what a boot without a fault makes of it. */
export interface Expectation {
  readonly before: DiskContent;
  readonly reference: DiskContent;
}

/**
 * What is wrong after a boot with a fault; nothing where it came to a right root, or told why there
 * is none.
 */
export function judgeFaultyStart(
  { before, reference }: Expectation,
  start: Start,
  after: DiskContent,
): Problem[] {
  const losses = judgeLosses(before, start, after);
  if (start.hungForS !== undefined) return [...losses, ...judgeEnd(start)];
  const { status, record } = start;
  return [
    ...losses,
    ...judgeEnd(start),
    ...(status !== 0 && record?.result !== "failed"
      ? wrong(["boot.json does not tell of the failure"])
      : []),
    ...wrong([
      ...judgeRoot({ before, reference }, after, start),
      ...judgeBases({ before, reference }, after),
    ]),
  ];
}

/**
 * What is wrong after the boot that follows, which has no fault.
 * @param before what the boot with the fault left
 */
export function judgeNextStart(
  { before, reference }: Expectation,
  start: Start,
  after: DiskContent,
): Problem[] {
  const losses = judgeLosses(before, start, after);
  const { status, finishStatus, said, record } = start;
  if (status !== 0 || finishStatus !== 0) {
    return [
      ...losses,
      ...judgeEnd(start),
      ...wrong([`the next boot fails: ${said}`]),
    ];
  }
  const root = subvolumeAt(after, RWLAYER);
  const isRooted = record?.result === "fresh" || record?.result === "kept";
  return [
    ...losses,
    ...judgeEnd(start),
    ...wrong([
      ...(subvolumeAt(after, STAGING) === undefined
        ? []
        : ["staging is still there"]),
      ...(isRooted
        ? []
        : [`the next boot is ${String(record?.result)}: ${said}`]),
      ...(root?.uuid === record?.subvolumeUuid
        ? []
        : ["the next root is not what stands there"]),
      ...describeMadeRoot("the next root", after, reference),
      ...judgeBases({ before, reference }, after),
      ...(record?.result === "fresh" && root?.parentUuid !== undefined
        ? describeMissingBase(after.subvolumes, root.uuid)
        : []),
    ]),
  ];
}

/** What is wrong with the snapshots that tell what has changed in a root. */
function judgeBases(
  { before, reference }: Expectation,
  after: DiskContent,
): string[] {
  return describeBases(
    after.subvolumes,
    subvolumeAt(reference, RWLAYER)?.tree,
    new Set(before.subvolumes.map(({ uuid }) => uuid)),
  );
}

/** What is gone or changed of what there was, but for what a boot may remove. */
export function judgeLosses(
  before: DiskContent,
  start: Start,
  after: DiskContent,
): Problem[] {
  return lost(describeLosses(before, after, mayGo(before, start, after)));
}

/** What a boot may remove: its staging, and for a new root the generations past the limit, with their bases. */
function mayGo(
  before: DiskContent,
  { record }: Start,
  after: DiskContent,
): (file: string) => boolean {
  const isRooted = record?.result === "fresh" || record?.result === "kept";
  const former = generationsIn(before);
  const count = new Set([...former, ...generationsIn(after)]).size;
  const old = isRooted ? former.slice(0, Math.max(0, count - GENERATIONS)) : [];
  return (file) => {
    const root = rootOfBase(before.subvolumes, file)?.path ?? file;
    return (
      isAtOrBelow(file, STAGING) || old.includes(generationOf(root) ?? NaN)
    );
  };
}

/** How a boot ended, and what it said and left mounted. */
export function judgeEnd({
  status,
  finishStatus,
  hungForS,
  said,
  left,
}: Start): Problem[] {
  if (hungForS !== undefined) {
    return wrong([`did not end within ${String(hungForS)} s: ${said}`]);
  }
  const raw = findRawControl(said);
  const end = status === 0 ? (finishStatus ?? NaN) : status;
  const isClear =
    end === 0 ||
    (end === 1 &&
      /^dockroot: [^\n]+$/m.test(said) &&
      /^ {2}what to do: /m.test(said));
  // What refused to be unmounted was told of, by the mount that it lies in.
  const told = left.filter((at) => said.includes(`cannot unmount ${at}`));
  const secret = left.filter((at) => !told.some((of) => isAtOrBelow(at, of)));
  return wrong([
    ...(/^ +at .*:\d+:\d+\)?$/m.test(said) ? [`a stack trace: ${said}`] : []),
    ...(raw === undefined ? [] : [raw]),
    ...(isClear ? [] : [`status ${String(end)}: ${said}`]),
    ...(end === 0 && secret.length > 0
      ? [`left mounted: ${secret.join(", ")}: ${said}`]
      : []),
  ]);
}

/** Only a former root, unchanged, or a complete new one may stand at the rwlayer's name. */
export function judgeRoot(
  { before, reference }: Expectation,
  after: DiskContent,
  { record, status }: Start,
): string[] {
  const root = subvolumeAt(after, RWLAYER);
  if (status !== 0 && root === undefined) return [];
  if (root === undefined) return ["there is no root"];
  const former = before.subvolumes.find(({ uuid }) => uuid === root.uuid);
  if (status === 0 && record?.subvolumeUuid !== root.uuid) {
    return ["the root is another than boot.json says"];
  }
  // That a former one is unchanged was seen among the losses.
  if (former !== undefined && former.path !== STAGING) {
    return record?.result === "fresh" ? ["the root is not new"] : [];
  }
  return [
    ...(record?.result === "fallback"
      ? ["the new root is called a former one"]
      : []),
    ...describeMadeRoot("the new root", after, reference),
  ];
}

/**
 * A new root against the one that a boot without a fault makes, with all that is nested in it.
 * @param at where it stands
 */
export function describeMadeRoot(
  what: string,
  actual: DiskContent,
  expected: DiskContent,
  at = RWLAYER,
): string[] {
  if (subvolumeAt(expected, RWLAYER) === undefined) {
    return [`there is nothing to compare ${what} with`];
  }
  const below = ({ subvolumes }: DiskContent, root: string) =>
    subvolumes
      .map(({ path }) => path)
      .filter((place) => isAtOrBelow(place, root))
      .map((place) => place.slice(root.length));
  const places = [...below(actual, at), ...below(expected, RWLAYER)];
  return [...new Set(places)].flatMap((place) => {
    const is = subvolumeAt(actual, `${at}${place}`);
    const shouldBe = subvolumeAt(expected, `${RWLAYER}${place}`);
    const name = `${what}, subvolume ${at}${place},`;
    if (is === undefined) return [`${name} is absent`];
    if (shouldBe === undefined) return [`${name} should not be there`];
    return describeChange(name, comparable(is.tree), comparable(shouldBe.tree));
  });
}

/** Without what differs from start to start. */
function comparable(tree: TreeListing): TreeListing {
  return withoutOwnRecord(timeless(tree));
}

/** The number in a path at or below a generation of ours. */
function generationOf(file: string): number | undefined {
  const match = new RegExp(`^${OWN_DIRECTORY}/generations/(\\d+)(?:/|$)`).exec(
    file,
  );
  return match === null ? undefined : Number(match[1]);
}

/** From old to new. */
function generationsIn({ subvolumes }: DiskContent): number[] {
  const numbers = subvolumes.flatMap(({ path }) => generationOf(path) ?? []);
  return [...new Set(numbers)].toSorted((one, other) => one - other);
}

function isAtOrBelow(file: string, ancestor: string): boolean {
  return file === ancestor || file.startsWith(`${ancestor}/`);
}
