import type { SubvolumeRecord } from "../../runtime/records/rwlayer-state.ts";
import { rwlayerPaths } from "../../runtime/options/rwlayer-names.ts";
import type { BootRecord } from "../root/boot-disk.ts";
import { withoutOwnRecord } from "../root/made-root.ts";
import { RWLAYER } from "./boot-scenarios.ts";
import {
  describeChange,
  describeLosses,
  subvolumeAt,
  timeless,
  type DiskContent,
} from "./disk-content.ts";
import { describeBases } from "./judge-bases.ts";
import { judgeEnd } from "./judge-start.ts";
import type { KnownDisk } from "./overlaps-disk.ts";
import type { Event, Side } from "./overlaps-helpers.ts";
import { DISK_LOCK, type Pair, type RunDirectory } from "./overlaps-pairs.ts";
import { lost, wrong, type Problem } from "./tally.ts";

/** How a process ended. */
export interface End {
  readonly status: number;
  readonly said: string;
}

/** What two processes came to, once what they left mounted was finished. */
export interface Outcome {
  readonly ends: Readonly<Record<Side, End>>;
  readonly events: readonly Event[];
  /** boot.json of each run directory, when both had ended. */
  readonly records: Partial<Record<RunDirectory, BootRecord>>;
  /** Of the `finish` in each run directory where one was still to come. */
  readonly finishes: readonly End[];
  readonly leftMounted: readonly string[];
  readonly leftRunning: readonly string[];
  readonly disk: KnownDisk;
}

/** What there was, and what comes of it without an overlap. */
export interface Expectation {
  readonly before: DiskContent;
  /** A disk whose root is as a new one must be. */
  readonly reference: DiskContent;
  /** After the one and then the other, in both orders. */
  readonly inTurn: readonly DiskContent[];
}

/** What is wrong with it; nothing where each came to what it could have come to alone. */
export function judgeOverlap(
  pair: Pair,
  { before, reference, inTurn }: Expectation,
  outcome: Outcome,
): Problem[] {
  const { ends, events, finishes, leftMounted, leftRunning, disk } = outcome;
  const mayGo = (file: string) => {
    const uuid = subvolumeAt(before, file)?.uuid;
    return inTurn.some(
      ({ subvolumes }) => !subvolumes.some((other) => other.uuid === uuid),
    );
  };
  const rwlayers = [...new Set([pair.A.rwlayer, pair.B.rwlayer])];
  return [
    ...lost(describeLosses(before, disk.content, mayGo)),
    ...judgeProcess(pair, "A", ends.A),
    ...judgeProcess(pair, "B", ends.B),
    ...finishes.flatMap((end) => judgePlainEnd("the last finish", end, false)),
    ...wrong([
      ...describeLockBreach(pair, events),
      ...leftMounted.map((at) => `left mounted: ${at}`),
      ...leftRunning.map((command) => `left running: ${command}`),
      ...describeRecords(pair, outcome, reference),
      ...rwlayers.flatMap((rwlayer) => [
        ...describeNewRoot(rwlayer, disk.content, reference),
        ...describeState(rwlayer, disk),
      ]),
      ...describeBases(
        disk.content.subvolumes,
        subvolumeAt(reference, RWLAYER)?.tree,
        new Set(before.subvolumes.map(({ uuid }) => uuid)),
      ),
    ]),
  ];
}

/** Only a finish may be refused, where no boot has come before it. */
function judgeProcess(pair: Pair, side: Side, end: End): Problem[] {
  const { command } = pair[side];
  const mayRefuse = command === "finish" && pair.boots === 0;
  return judgePlainEnd(`${side}, ${command},`, end, mayRefuse);
}

function judgePlainEnd(
  what: string,
  { status, said }: End,
  mayRefuse: boolean,
): Problem[] {
  const isRefusal =
    mayRefuse &&
    status === 1 &&
    /^dockroot: there is no \S+\/boot\.json$/m.test(said);
  const problems = judgeEnd({
    ...{ status, said, left: [] },
    ...{ hungForS: undefined, finishStatus: undefined, record: undefined },
    ...(status === 0 && { finishStatus: 0 }),
  });
  return [
    ...problems.map(({ kind, text }) => ({ kind, text: `${what} ${text}` })),
    ...wrong(
      status === 0 || isRefusal
        ? []
        : [`${what} ended with ${String(status)}: ${said}`],
    ),
  ];
}

/** Nobody does anything under a lock that the other one has. */
function describeLockBreach(
  { A, B }: Pair,
  events: readonly Event[],
): string[] {
  const held = { A: new Set<number>(), B: new Set<number>() };
  const breaches = new Set<string>();
  for (const { side, kind, call } of events) {
    if (kind === "locked") held[side].add(call.number);
    // Told of late: the lock was free before.
    if (kind === "called" && call.work === "flock") {
      held[side].delete(call.number);
    }
    if (kind === "ended") held[side].clear();
    if (kind !== "calls") continue;
    for (const lock of held.A) {
      if (!held.B.has(lock)) continue;
      if (lock === DISK_LOCK) breaches.add("both had the disk's lock");
      else if (A.run === B.run) breaches.add("both had the run directory's");
    }
  }
  return [...breaches];
}

/** boot.json tells of the root that this boot made, or the last one there. */
function describeRecords(
  { A, B }: Pair,
  { ends, records, disk }: Outcome,
  reference: DiskContent,
): string[] {
  const boots = (
    [
      ["A", A],
      ["B", B],
    ] as const
  ).filter(
    ([side, { command }]) => command === "boot" && ends[side].status === 0,
  );
  const rooted = boots.map(([, { run }]) => records[run]);
  return boots.flatMap(([side, role]) => {
    const record = records[role.run];
    if (record?.result !== "fresh") {
      return [`boot.json of ${side} tells of ${String(record?.result)}`];
    }
    const made = disk.content.subvolumes.find(
      ({ uuid }) => uuid === record.subvolumeUuid,
    );
    const pathState = subvolumeAt(disk.content, role.rwlayer);
    const isLast = rooted.some(
      (other) => other?.subvolumeUuid === pathState?.uuid,
    );
    return made === undefined
      ? [`the root that ${side} made is absent`]
      : [
          ...(isLast ? [] : [`${role.rwlayer} is no root that was just made`]),
          ...describeRootAt(made.path, disk.content, reference),
        ];
  });
}

function describeNewRoot(
  rwlayer: string,
  content: DiskContent,
  reference: DiskContent,
): string[] {
  const { staging } = rwlayerPaths(rwlayer);
  return [
    ...(subvolumeAt(content, staging) === undefined
      ? []
      : [`${staging} is left over`]),
    ...describeRootAt(rwlayer, content, reference),
  ];
}

/** A root as nobody has written to it yet. */
function describeRootAt(
  place: string,
  content: DiskContent,
  reference: DiskContent,
): string[] {
  const is = subvolumeAt(content, place);
  const shouldBe = subvolumeAt(reference, RWLAYER);
  if (is === undefined || shouldBe === undefined) {
    return [`there is no ${place}`];
  }
  return describeChange(
    place,
    timeless(withoutOwnRecord(is.tree)),
    timeless(withoutOwnRecord(shouldBe.tree)),
  );
}

/** Every root is known as complete, in the state file and by its own record, and nothing else is. */
function describeState(
  rwlayer: string,
  { content, states, ownRecords, lastChanges }: KnownDisk,
): string[] {
  const { state, generations } = rwlayerPaths(rwlayer);
  const known = states.get(rwlayer) ?? [];
  const isRoot = (file: string) =>
    file === rwlayer ||
    (file.startsWith(`${generations}/`) &&
      /^\d+$/.test(file.slice(generations.length + 1)));
  const roots = content.subvolumes.filter(({ path }) => isRoot(path));
  const isComplete = (
    records: readonly SubvolumeRecord[],
    wanted: string,
  ): boolean =>
    records.some(({ uuid, complete }) => uuid === wanted && complete);
  return [
    ...roots
      .filter(({ uuid }) => !isComplete(known, uuid))
      .map(({ path }) => `${state} does not know ${path} as complete`),
    ...roots
      .filter(({ path, uuid }) => !isComplete(ownRecords.get(path) ?? [], uuid))
      .map(({ path }) => `${path} does not know itself as complete`),
    ...known
      .filter(
        ({ uuid, handedOver }) =>
          typeof handedOver === "number" &&
          handedOver > (lastChanges.get(uuid) ?? Infinity),
      )
      .map(
        ({ boot }) =>
          `the root of boot ${String(boot)} was handed over after its last change`,
      ),
    ...known
      .filter(({ uuid }) => !roots.some((root) => root.uuid === uuid))
      .map(
        ({ boot }) =>
          `${state} knows a root of boot ${String(boot)} that is gone`,
      ),
  ];
}
