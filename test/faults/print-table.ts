import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { RESULTS, type CampaignResult } from "./campaign.ts";

// node test/faults/print-table.ts: what `make test-faults` prints at its end.

const results = (existsSync(RESULTS) ? readdirSync(RESULTS) : [])
  .sort()
  .map(
    (name) =>
      JSON.parse(
        readFileSync(path.join(RESULTS, name), "utf8"),
      ) as CampaignResult,
  );
const rows = [
  ["campaign", "injected", "survived", "lost", ""],
  ...results.map(({ campaign, injected, survived, lost, note }) => [
    ...[campaign, String(injected), String(survived), String(lost)],
    note ?? "",
  ]),
];
const width = Math.max(...rows.map(([name = ""]) => name.length));
for (const [name = "", ...figures] of rows) {
  const [injected = "", survived = "", lost = "", note = ""] = figures;
  console.log(
    `${name.padEnd(width)} ${injected.padStart(9)} ${survived.padStart(9)} ${lost.padStart(6)}  ${note}`.trimEnd(),
  );
}
