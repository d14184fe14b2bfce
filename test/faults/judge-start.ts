import {
  describeChange,
  describeLosses,
  subvolumeAt,
  type DiskContent,
  type SubvolumeContent,
} from "./disk-content.ts";
import type { TreeListing } from "../../fixtures/tree-listing.ts";
import { GENERATIONS, OWN_DIRECTORY, RWLAYER } from "./boot-scenarios.ts";
import type { Start } from "./faulty-start.ts";

/** What there was, and what a start without a fault makes of it. */
export interface Expectation {
  readonly before: DiskContent;
  readonly reference: DiskContent;
}

/**
 * What is wrong after a start with a fault; nothing where it came to a right root, or told why there
 * is none.
 */
export function judgeFaultyStart(
  { before, reference }: Expectation,
  { status, finishStatus, said, record }: Start,
  after: DiskContent,
): string[] {
  const hasNewRoot = record?.result === "fresh" || record?.result === "kept";
  const generations = generationsIn(before).length + (hasNewRoot ? 1 : 0);
  return [
    ...describeLosses(before, after, (file) => {
      const number = generationOf(file);
      return number === undefined
        ? isBelow(file, `${OWN_DIRECTORY}/staging`)
        : hasNewRoot && number <= generations - GENERATIONS;
    }),
    ...judgeMessage(status === 0 ? (finishStatus ?? NaN) : status, said),
    ...(status !== 0 && record?.result !== "failed"
      ? ["boot.json does not tell of the failure"]
      : []),
    ...judgeRoot({ before, reference }, after, record, status),
  ];
}

/** What is wrong after the start that follows, which has no fault. */
export function judgeNextStart(
  { before, reference }: Expectation,
  { status, finishStatus, said, record }: Start,
  after: DiskContent,
): string[] {
  if (status !== 0 || finishStatus !== 0) {
    return [`the next start fails: ${said}`];
  }
  const problems = describeLosses(
    before,
    after,
    (file) =>
      generationOf(file) !== undefined ||
      isBelow(file, `${OWN_DIRECTORY}/staging`),
  );
  if (subvolumeAt(after, `${OWN_DIRECTORY}/staging`) !== undefined) {
    problems.push("staging is still there");
  }
  const expectedResults = ["fresh", "kept"];
  if (!expectedResults.includes(record?.result ?? "")) {
    problems.push(`the next start is ${String(record?.result)}: ${said}`);
  }
  const root = subvolumeAt(after, RWLAYER);
  const expected = subvolumeAt(reference, RWLAYER);
  return [
    ...problems,
    ...(root?.uuid === record?.subvolumeUuid
      ? []
      : ["the next root is not what stands there"]),
    ...describeMadeRoot("the next root", root, expected),
  ];
}

function judgeMessage(status: number, said: string): string[] {
  if (/^ +at .*:\d+:\d+\)?$/m.test(said)) return [`a stack trace: ${said}`];
  if (status === 0) return [];
  const isClear =
    status === 1 &&
    /^dockroot: [^\n]+$/m.test(said) &&
    /^ {2}what to do: /m.test(said);
  return isClear ? [] : [`status ${String(status)}: ${said}`];
}

/** Only a former root, unchanged, or a complete new one may stand at the rwlayer's name. */
function judgeRoot(
  { before, reference }: Expectation,
  after: DiskContent,
  record: Start["record"],
  status: number,
): string[] {
  const root = subvolumeAt(after, RWLAYER);
  if (status !== 0 && root === undefined) return [];
  if (root === undefined) return ["there is no root"];
  const former = before.subvolumes.find(({ uuid }) => uuid === root.uuid);
  const isStaging = former?.path === `${OWN_DIRECTORY}/staging`;
  if (status === 0 && record?.subvolumeUuid !== root.uuid) {
    return ["the root is another than boot.json says"];
  }
  // That a former one is unchanged was seen among the losses.
  if (former !== undefined && !isStaging) {
    return record?.result === "fresh" ? ["the root is not new"] : [];
  }
  const expected = subvolumeAt(reference, RWLAYER);
  return describeMadeRoot("the new root", root, expected);
}

/** Where nested subvolumes and the top layer were put in, a directory has the time of that. */
function describeMadeRoot(
  what: string,
  actual: SubvolumeContent | undefined,
  expected: SubvolumeContent | undefined,
): string[] {
  const timeless = (tree: TreeListing = {}) =>
    Object.fromEntries(
      Object.entries(tree).map(([name, entry]) => [
        name,
        entry.kind === "directory" ? { ...entry, mtime: "" } : entry,
      ]),
    );
  return describeChange(what, timeless(actual?.tree), timeless(expected?.tree));
}

/** The number in a path below a generation of ours. */
function generationOf(file: string): number | undefined {
  const match = new RegExp(`^${OWN_DIRECTORY}/generations/(\\d+)(?:/|$)`).exec(
    file,
  );
  return match === null ? undefined : Number(match[1]);
}

function generationsIn({ subvolumes }: DiskContent): string[] {
  const place = new RegExp(`^${OWN_DIRECTORY}/generations/\\d+$`);
  return subvolumes.flatMap(({ path: file }) => (place.test(file) ? file : []));
}

function isBelow(file: string, ancestor: string): boolean {
  return file === ancestor || file.startsWith(`${ancestor}/`);
}
