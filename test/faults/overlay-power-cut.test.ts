// runner: tier=first seconds=30 whole=900
import { readFileSync } from "node:fs";
import t, { type Test } from "tap";
import { parseBlockWriteLog } from "../../fixtures/block-write-log.ts";
import {
  cutIntoPieces,
  findCrashPoint,
  listCrashPoints,
  type CrashPoint,
} from "../../fixtures/crash-points.ts";
import { makeCrashedDisk } from "../../fixtures/crashed-disk.ts";
import { copyDisk } from "../../fixtures/loop-disk.ts";
import { attach, detach } from "../root/boot-disk.ts";
import { isWholeTier, sampleSeed } from "../tier.ts";
import {
  makeScenarios,
  OWN_DIRECTORY,
  RWLAYER,
  type Scenario,
} from "./boot-scenarios.ts";
import { countFaults, wantedFaults } from "./campaign.ts";
import {
  describeLosses,
  lookAtContent,
  subvolumeAt,
  type DiskContent,
} from "./disk-content.ts";
import { makeFastScratch } from "./disk-copy.ts";
import { recordWrites } from "./faulty-disk.ts";
import { plainMachine, start, type Start } from "./faulty-start.ts";
import { describeMadeRoot, judgeNextStart } from "./judge-start.ts";
import { createTally, lost, wrong, type Problem } from "./tally.ts";

/**
 * Two boots are recorded at the block layer, the first of an image with layers that are new, the second of
 * one without them, which removes all earlier roots and these layers. Then the power fails at a point of
 * the record, the disk is looked at, and started from: for a former root in one of three cuts, and a new one.
 *
 * FAULTS=n: so many cuts of each filesystem. FS_TYPE=xfs: this one alone; with FAULT=prefix:137 that cut.
 */
const CUTS = { first: 6, whole: 150 };
const FALLBACK_EVERY = 3;

/** The options of the boots that are recorded. */
const IMAGES = ["docker_image=system:2", "dockroot.generations=0"] as const;

const fsTypes = ["ext4", "xfs"] as const;
const only = process.env["FAULT"] ?? "";

/** What is known of a machine whose power is cut. */
interface Recorded {
  readonly scenario: Scenario;
  readonly points: readonly CrashPoint[];
  /** So many requests were completed when the first boot had ended. */
  readonly requestsOfFirst: number;
  /** What each boot makes. */
  readonly made: readonly DiskContent[];
}

for (const fsType of chooseFsTypes()) {
  await t.test(`${fsType}: the power fails at any point`, async (t) => {
    const scratch = makeFastScratch(t, `cuts-${fsType}`);
    const disk = `${scratch}/disk`;
    const machine = `${scratch}/machine`;
    const recorded = await record(t, fsType, scratch);
    const tally = createTally();
    for (const [index, point] of recorded.points.entries()) {
      const isFallback = index % FALLBACK_EVERY === 0;
      tally.count(t, point.name, await survive(recorded, point, isFallback));
    }
    tally.record(t, `power-cut ${fsType}`);

    async function survive(
      { scenario, requestsOfFirst, made }: Recorded,
      point: CrashPoint,
      isFallback: boolean,
    ): Promise<Problem[]> {
      await makeCrashedDisk(scenario.disk, point.pieces, disk);
      await attach(t, disk);
      try {
        const crashed = await lookAtContent(disk, fsType);
        const isOfSecond = point.requests > requestsOfFirst;
        const problems = lost(
          judgeCut(scenario.content, crashed, made, isOfSecond),
        );
        let before = crashed;
        if (isFallback) {
          const former = startWith(scenario, "docker_image=gone:1");
          before = await lookAtContent(disk, fsType);
          problems.push(
            ...wrong(judgeFallback(former)),
            ...lost(describeLosses(crashed, before, isStaging)),
          );
        }
        const next = startWith(scenario, IMAGES[0]);
        const after = await lookAtContent(disk, fsType);
        const expected = { before, reference: made[0] ?? crashed };
        return [...problems, ...judgeNextStart(expected, next, after)];
      } catch (error) {
        return wrong([String(error)]);
      } finally {
        await detach(disk);
      }
    }

    function startWith(scenario: Scenario, options = ""): Start {
      return start(plainMachine, machine, `${scenario.cmdline} ${options}`);
    }
  });
}

async function record(
  t: Test,
  fsType: Scenario["fsType"],
  scratch: string,
): Promise<Recorded> {
  const [scenario] = await makeScenarios(
    t,
    ["a new root and all there is to clean up"],
    fsType,
  );
  if (scenario === undefined) throw new Error("there is no scenario");
  const disk = `${scratch}/recorded`;
  const lengths: number[] = [];
  const made: DiskContent[] = [];
  await copyDisk(scenario.disk, disk);
  const { requests } = await recordWrites(disk, scratch, async (log) => {
    for (const options of IMAGES) {
      const cmdline = `${scenario.cmdline} ${options}`;
      const { status, said } = start(plainMachine, `${scratch}/m`, cmdline);
      t.equal(status, 0, said);
      lengths.push(parseBlockWriteLog(readFileSync(log)).length);
      made.push(await lookAtContent(`${scratch}/served`, fsType));
    }
  });
  const pieces = cutIntoPieces(requests);
  t.comment(
    `record: ${String(requests.length)} requests, ${String(pieces.length)} pieces`,
  );
  const seed = isWholeTier() ? 0 : sampleSeed();
  const wanted = countFaults(CUTS);
  const points: CrashPoint[] = [];
  if (only !== "") points.push(findCrashPoint(pieces, only));
  for (const point of only === "" ? listCrashPoints(pieces, seed) : []) {
    if (points.length === wanted) break;
    points.push(point);
  }
  return { scenario, points, requestsOfFirst: lengths[0] ?? 0, made };
}

/** What is wrong with what a cut has left. */
function judgeCut(
  before: DiskContent,
  crashed: DiskContent,
  made: readonly DiskContent[],
  isOfSecond: boolean,
): string[] {
  const mayGo = (file: string) =>
    isStaging(file) || isGeneration(file) || (isOfSecond && file === RWLAYER);
  const losses = describeLosses(before, crashed, mayGo);
  const root = subvolumeAt(crashed, RWLAYER);
  const isKnown = ({ uuid }: { uuid: string }) =>
    before.subvolumes.some((former) => former.uuid === uuid);
  if (root === undefined) {
    const former = crashed.subvolumes.filter(({ path }) => isGeneration(path));
    return former.length > 0 ? losses : [...losses, "there is no root at all"];
  }
  if (isKnown(root)) return losses;
  const differences = made.map((content) =>
    describeMadeRoot("the root after the cut", crashed, content),
  );
  return differences.some((each) => each.length === 0)
    ? losses
    : [...losses, ...differences.flat()];
}

function judgeFallback({ status, said, record }: Start): string[] {
  return status === 0 && record?.result === "fallback"
    ? []
    : [`no former root boots: ${said}`];
}

function isStaging(file: string): boolean {
  return file === `${OWN_DIRECTORY}/staging`;
}

function isGeneration(file: string): boolean {
  return /\/generations\/\d+$/.test(file);
}

function chooseFsTypes(): readonly Scenario["fsType"][] {
  const named = fsTypes.filter((each) => each === process.env["FS_TYPE"]);
  if (named.length > 0) return named;
  if (isWholeTier() || wantedFaults() !== undefined) return fsTypes;
  return fsTypes.slice(sampleSeed() % 2).slice(0, 1);
}
