import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Test } from "tap";
import { isWholeTier, sampleSeed } from "../tier.ts";
import { chooseFaults, sampleFaults } from "./choose-faults.ts";

/** What a campaign of faults came to; `make test` and `make test-all` print the table of all. */
export interface CampaignResult {
  /** Also a file's name. */
  readonly campaign: string;
  readonly injected: number;
  /** After these all was as it should be. */
  readonly survived: number;
  /** These cost something. */
  readonly lost: number;
  readonly note?: string;
}

/** Where results wait for the table: one JSON file a campaign. */
export const RESULTS = path.join(import.meta.dirname, "../../.cache/faults");

/** Tells the result, keeps it for the table, and fails where not all was survived. */
export function recordCampaign(t: Test, result: CampaignResult): void {
  const { campaign, injected, survived, lost, note } = result;
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(
    path.join(RESULTS, `${campaign.replaceAll(/[^a-z0-9]+/gi, "-")}.json`),
    `${JSON.stringify(result)}\n`,
  );
  t.comment(
    `${campaign}: injected ${String(injected)}, survived ${String(survived)}, lost ${String(lost)}${note === undefined ? "" : ` (${note})`}`,
  );
  if (survived !== injected && !isWholeTier()) {
    t.comment(`the same sample again: TEST_SEED=${String(sampleSeed())}`);
  }
  t.ok(injected > 0, "faults were injected");
  t.equal(lost, 0, "nothing was lost");
  t.equal(survived, injected, "all were survived");
}

/**
 * How many faults a campaign is to inject, from FAULTS: a number, or `all`.
 * @returns Infinity for `all`; `undefined` where the campaign's own bound holds
 */
export function wantedFaults(): number | undefined {
  const wanted = process.env["FAULTS"] ?? "";
  if (wanted === "") return undefined;
  if (wanted === "all") return Infinity;
  if (/^[1-9][0-9]*$/.test(wanted)) return Number(wanted);
  throw new Error(`FAULTS=${wanted} is neither a number nor "all"`);
}

/** How many faults a campaign is to inject: FAULTS=n, or as many as the tier has time for. */
export interface Bounds {
  readonly first: number;
  readonly whole: number;
}

export function countFaults({ first, whole }: Bounds): number {
  return wantedFaults() ?? (isWholeTier() ? whole : first);
}

/** Whether a campaign that FAULTS=n does not bound runs whole. */
export function isWholeCampaign(): boolean {
  return isWholeTier() || wantedFaults() === Infinity;
}

/** What is injected of all that there is. */
export interface Part<T> {
  readonly chosen: readonly T[];
  /** Which part that is, in words. */
  readonly note: string;
}

/**
 * Chooses what a campaign injects: FAULTS=n of them, or as many as the tier has time for. In the
 * first tier it is a sample of all the rounds, each time another one.
 * @param rounds all the faults there are, what matters most first
 * @param period how many seeds in a row have rounds of their own, before these come again
 */
export function choosePart<T>(
  rounds: readonly (readonly T[])[],
  bounds: Bounds,
  period = 1,
): Part<T> {
  const all = rounds.flat();
  const wanted = wantedFaults();
  if (isWholeTier()) {
    const chosen = chooseFaults(rounds, wanted ?? bounds.whole);
    return { chosen, note: describePart(chosen.length, all.length) };
  }
  const seed = sampleSeed();
  const chosen = sampleFaults(
    all,
    wanted ?? bounds.first,
    Math.floor(seed / period),
  );
  return { chosen, note: describePart(chosen.length, all.length, seed) };
}

/** Takes samples for a campaign that tries its cases in several places. */
export interface Sampler {
  /** So many of the cases in the first tier, in each place others, else all. */
  take<T>(cases: readonly T[], count: number): readonly T[];
  /** Which part was taken, in words; nothing where it was all. */
  notes(): string[];
}

export function createSampler(): Sampler {
  const isWhole = isWholeCampaign();
  const seed = isWhole ? 0 : sampleSeed();
  let places = 0;
  let taken = 0;
  let all = 0;
  return {
    take: (cases, count) => {
      const chosen = isWhole
        ? cases
        : sampleFaults(cases, count, seed + places);
      places += 1;
      taken += chosen.length;
      all += cases.length;
      return chosen;
    },
    notes: () => (isWhole ? [] : [describePart(taken, all, seed)]),
  };
}

/** @param seed of a sample */
export function describePart(
  taken: number,
  all: number,
  seed?: number,
): string {
  if (taken === all) return `all ${String(all)}`;
  const part = `${String(taken)} of ${String(all)}`;
  return seed === undefined ? part : `sample ${part}, seed ${String(seed)}`;
}
