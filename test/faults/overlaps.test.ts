// runner: tier=first seconds=20 whole=300
import t from "tap";
import { lookAt } from "../root/boot-disk.ts";
import { makeScratch } from "../root/scratch.ts";
import { isWholeTier, sampleSeed } from "../tier.ts";
import { makeScenarios, type Scenario } from "./boot-scenarios.ts";
import { choosePart, wantedFaults } from "./campaign.ts";
import { sampleFaults } from "./choose-faults.ts";
import { readContent, type DiskContent } from "./disk-content.ts";
import { makeFastScratch } from "./disk-copy.ts";
import type { HelperCall } from "./faulty-helpers.ts";
import { plainMachine, start } from "./faulty-start.ts";
import { judgeNextStart } from "./judge-start.ts";
import {
  judgeOverlap,
  type Expectation,
  type Outcome,
} from "./overlaps-judge.ts";
import {
  formatPoint,
  makeStagedHelpers,
  type Event,
  type Side,
} from "./overlaps-helpers.ts";
import {
  DISK_LOCK,
  pairs,
  planStagings,
  type Pair,
  type Staging,
} from "./overlaps-pairs.ts";
import {
  addBoot,
  overlap,
  runInTurn,
  type Ground,
  type Stand,
} from "./overlaps-run.ts";
import { createTally, wrong, type Problem } from "./tally.ts";

/** What the first tier has time for. */
const SAMPLE = { pairs: 2, overlaps: 8 };
/** What the other has. */
const WHOLE = 200;

interface Injection {
  readonly name: string;
  readonly run: () => Promise<Problem[]>;
}

await t.test("two of dockroot at a time, each at every point", async (t) => {
  const [scenario] = await makeScenarios(t, [
    "a new root and all there is to clean up",
  ]);
  const cmdline = scenario?.cmdline ?? "";
  if (scenario === undefined) throw new Error("there is no such scenario");
  const directory = makeScratch(t, "helpers");
  const stand: Stand = {
    ...{ helpers: makeStagedHelpers(directory), directory },
    scratch: makeFastScratch(t, "overlaps"),
    // None is held for so long.
    cmdline: `${cmdline} dockroot.timeout=300`,
  };
  const grounds = await makeGrounds(stand, scenario);
  const reference = grounds[1].content;

  const isSample = !isWholeTier() && wantedFaults() === undefined;
  const tried = isSample
    ? sampleFaults(pairs, SAMPLE.pairs, sampleSeed())
    : pairs;
  const rounds: Injection[][] = [];
  const alike: Injection[][] = [];
  for (const pair of tried) await plan(pair);
  const { chosen, note } = choosePart(
    isSample ? rounds : [...rounds, ...alike],
    { first: SAMPLE.overlaps, whole: WHOLE },
    // The same pairs come again after so many seeds.
    Math.ceil(pairs.length / tried.length),
  );
  const tally = createTally();
  const came = { held: 0, waits: 0, ended: 0 };
  for (const { name, run } of chosen) tally.count(t, name, await run());
  tally.record(
    t,
    "overlaps",
    note,
    `${String(tried.length)} of ${String(pairs.length)} pairs`,
    `the second at its point ${String(came.held)} times, waiting for the first ${String(came.waits)}, at its end ${String(came.ended)}`,
  );

  /** Adds to each round. */
  async function plan(pair: Pair): Promise<void> {
    const ground = grounds[pair.boots];
    const turns: Outcome[] = [];
    for (const order of [
      ["A", "B"],
      ["B", "A"],
    ] as const) {
      const outcome = await runInTurn(stand, ground, pair, order);
      turns.push(outcome);
    }
    const expectation: Expectation = {
      ...{ before: ground.content, reference },
      inTurn: turns.map(({ disk }) => disk.content),
    };
    for (const outcome of turns) {
      const problems = judgeOverlap(pair, expectation, outcome);
      t.strictSame(problems, [], `${pair.name}, one after the other`);
    }
    // The first comes to its point before the other one begins.
    const [callsOfA = []] = turns.map(({ events }) => callsOf(events, "A"));
    const callsOfB = turns.map(({ events }) => callsOf(events, "B"));
    const staged = planStagings(
      { A: callsOfA, B: unite(callsOfB) },
      pair.A.run === pair.B.run ? 1 : DISK_LOCK,
    );
    const add = (
      to: Injection[][],
      stagings: readonly (readonly Staging[])[],
    ) => {
      for (const [round, those] of stagings.entries()) {
        (to[round] ??= []).push(
          ...those.map((staging) => ({
            name: `${pair.name}, A ${formatPoint(staging.A)}, B ${formatPoint(staging.B)}, ${staging.first} first`,
            run: () => inject(pair, ground, expectation, staging),
          })),
        );
      }
    };
    add(rounds, staged.rounds);
    add(alike, staged.alike);
    t.comment(
      `${pair.name}: ${String(staged.rounds.flat().length)} overlaps, and ${String(staged.alike.flat().length)} like others`,
    );
  }

  function inject(
    pair: Pair,
    ground: Ground,
    expectation: Expectation,
    staging: Staging,
  ): Promise<Problem[]> {
    return overlap(
      ...([stand, ground, pair, staging] as const),
      async ({ outcome, standings }) => {
        came[standings.B] += 1;
        const { content } = outcome.disk;
        const next = start(plainMachine, `${stand.scratch}/next`, cmdline);
        const after = await lookAt(`${stand.scratch}/disk`, readContent, [
          "subvolid=5",
          "ro",
        ]);
        return [
          ...(standings.A === "held" ? [] : wrong(["A had no such call"])),
          ...judgeOverlap(pair, expectation, outcome),
          ...judgeNextStart({ before: content, reference }, next, after),
        ];
      },
    ).catch((error: unknown) => wrong([String(error)]));
  }
});

interface KnownGround extends Ground {
  readonly content: DiskContent;
}

/** What the scenario left; what a boot made of it, and another one of that. */
async function makeGrounds(
  stand: Stand,
  { disk, content }: Scenario,
): Promise<readonly [KnownGround, KnownGround, KnownGround]> {
  const none = { disk, content, left: {} };
  const one = await addBoot(stand, none, "one", `${stand.scratch}/one`);
  const two = await addBoot(stand, one, "two", `${stand.scratch}/two`);
  return [none, one, two];
}

function callsOf(events: readonly Event[], side: Side): HelperCall[] {
  return events
    .filter((event) => event.side === side && event.kind === "calls")
    .map(({ call }) => call);
}

/** All calls of both lists: those of the second alone come last. */
function unite(lists: readonly (readonly HelperCall[])[]): HelperCall[] {
  const found = new Map<string, HelperCall>();
  for (const call of lists.flat()) {
    const key = `${String(call.number)} ${call.work}`;
    if (!found.has(key)) found.set(key, call);
  }
  return [...found.values()];
}
