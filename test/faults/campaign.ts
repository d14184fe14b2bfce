import fs from "node:fs";
import path from "node:path";
import type { Test } from "tap";

/** What a campaign of faults came to; `make test-faults` prints the table of all. */
export interface CampaignResult {
  readonly campaign: string;
  readonly injected: number;
  readonly survived: number;
  readonly lost: number;
  readonly note?: string;
}

const RESULTS = path.join(import.meta.dirname, "../../.cache/faults");

/** Prints what a campaign came to, keeps it for the table, and fails where anything was lost. */
export function recordCampaign(t: Test, result: CampaignResult): void {
  const { campaign, injected, survived, lost, note } = result;
  t.comment(
    `${campaign}: injected ${String(injected)}, survived ${String(survived)}, lost ${String(lost)}${note === undefined ? "" : ` (${note})`}`,
  );
  t.equal(lost, 0, "nothing is lost");
  t.equal(survived, injected, "every fault is survived");
  fs.mkdirSync(RESULTS, { recursive: true });
  fs.writeFileSync(
    path.join(RESULTS, `${campaign}.json`),
    `${JSON.stringify(result)}\n`,
  );
}
