import type { Test } from "tap";
import { recordCampaign } from "./campaign.ts";

/** Counts the faults of a campaign as they come. */
export interface Tally {
  /** @param problem what was lost; `undefined` where the fault was survived */
  count(t: Test, fault: string, problem: string | undefined): void;
  record(t: Test, campaign: string): void;
}

export function createTally(): Tally {
  let injected = 0;
  let lost = 0;
  return {
    count: (t, fault, problem) => {
      injected += 1;
      if (problem === undefined) return;
      lost += 1;
      t.fail(`${fault}: ${problem}`);
    },
    record: (t, campaign) => {
      recordCampaign(t, {
        campaign,
        injected,
        survived: injected - lost,
        lost,
      });
    },
  };
}
