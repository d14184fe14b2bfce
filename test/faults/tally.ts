import type { Test } from "tap";
import { recordCampaign } from "./campaign.ts";

/** What a fault came to that it should not. */
export interface Problem {
  /** Whether something that was there is gone or changed. */
  readonly kind: "lost" | "wrong";
  readonly text: string;
}

export function lost(texts: readonly string[]): Problem[] {
  return texts.map((text) => ({ kind: "lost", text }));
}

export function wrong(texts: readonly string[]): Problem[] {
  return texts.map((text) => ({ kind: "wrong", text }));
}

/** Counts the faults of a campaign as they come: each was survived, cost something, or went wrong. */
export interface Tally {
  /** @param problems none where the fault was survived; a text alone tells of what went wrong */
  count(
    t: Test,
    fault: string,
    problems: readonly Problem[] | string | undefined,
  ): void;
  /** Notes a fault that was arranged and never came about: it is not among those injected. */
  miss(): void;
  /** @param notes what else there is to know */
  record(t: Test, campaign: string, ...notes: string[]): void;
}

export function createTally(): Tally {
  const counts = { injected: 0, lost: 0, wrong: 0, missed: 0 };
  return {
    count: (t, fault, found = []) => {
      const problems = typeof found === "string" ? wrong([found]) : found;
      counts.injected += 1;
      if (problems.some(({ kind }) => kind === "lost")) counts.lost += 1;
      else if (problems.length > 0) counts.wrong += 1;
      for (const { kind, text } of problems) {
        // Where it is counted says nothing.
        t.fail(`${fault}: ${kind}: ${text}`, { at: null, stack: "" });
      }
    },
    miss: () => {
      counts.missed += 1;
    },
    record: (t, campaign, ...notes) => {
      const { injected, missed } = counts;
      const all = [
        ...(counts.wrong > 0 ? [`${String(counts.wrong)} went wrong`] : []),
        ...(missed > 0 ? [`${String(missed)} more never came about`] : []),
        ...notes,
      ];
      recordCampaign(t, {
        ...{ campaign, injected, lost: counts.lost },
        survived: injected - counts.lost - counts.wrong,
        ...(all.length > 0 && { note: all.join(", ") }),
      });
    },
  };
}
