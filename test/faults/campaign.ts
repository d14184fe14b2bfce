import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Test } from "tap";

/** What a campaign of faults came to; `make test-faults` prints the table of all. */
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
