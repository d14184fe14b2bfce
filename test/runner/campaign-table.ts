import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { RESULTS, type CampaignResult } from "../faults/campaign.ts";

/**
 * The table of the campaigns of faults that have recorded a result since a time.
 * @param sinceMs as of Date.now()
 * @returns lines; none where there was no campaign
 */
export function formatCampaigns(sinceMs: number): string[] {
  const results = (existsSync(RESULTS) ? readdirSync(RESULTS).sort() : [])
    .map((name) => path.join(RESULTS, name))
    .filter((file) => statSync(file).mtimeMs >= sinceMs)
    .map((file) => JSON.parse(readFileSync(file, "utf8")) as CampaignResult);
  if (results.length === 0) return [];
  const width = Math.max(...results.map(({ campaign }) => campaign.length));
  const formatRow = (name: string, ...figures: [...string[], string]) => {
    const [injected = "", survived = "", lost = "", note = ""] = figures;
    return `${name.padEnd(width)} ${injected.padStart(9)} ${survived.padStart(9)} ${lost.padStart(6)}  ${note}`.trimEnd();
  };
  return [
    formatRow("campaign", "injected", "survived", "lost", ""),
    ...results.map(({ campaign, injected, survived, lost, note }) =>
      formatRow(
        campaign,
        ...[String(injected), String(survived), String(lost)],
        note ?? "",
      ),
    ),
    "",
  ];
}
