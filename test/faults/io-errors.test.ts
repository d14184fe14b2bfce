import fs from "node:fs";
import t from "tap";
import { run } from "../../fixtures/run.ts";
import { lookAt } from "../root/boot-disk.ts";
import { makeScenarios } from "./boot-scenarios.ts";
import { recordCampaign, wantedFaults } from "./campaign.ts";
import { readContent, type DiskContent } from "./disk-content.ts";
import { makeFastScratch, withCopy } from "./disk-copy.ts";
import { withFaultyDisk, type DiskFault } from "./faulty-disk.ts";
import { plainMachine, start } from "./faulty-start.ts";
import { judgeFaultyStart, judgeNextStart } from "./judge-start.ts";

/** How many faults fit the time that there is in CI. */
const BOUND = 36;

await t.test(
  "reading, writing or flushing fails once or for good",
  async (t) => {
    const scratch = makeFastScratch(t, "io-errors");
    const disk = `${scratch}/disk`;
    const [scenario] = await makeScenarios(t, ["a new root over a former one"]);
    if (scenario === undefined) throw new Error("there is no scenario");
    const { cmdline, content: before } = scenario;
    const startOnce = () =>
      start(
        plainMachine,
        `${scratch}/machine`,
        `${cmdline} dockroot.timeout=20`,
      );
    const look = (): Promise<DiskContent> =>
      lookAt(disk, readContent, ["subvolid=5", "ro"]);

    const { reference, operations } = await withCopy(
      scenario.disk,
      disk,
      async (device) => {
        const countBefore = countOperations(device);
        const plain = startOnce();
        t.equal(plain.status, 0, plain.said);
        const countAfter = countOperations(device);
        return {
          reference: await look(),
          operations: (["read", "write", "flush"] as const).map(
            (operation) => ({
              operation,
              count: countAfter[operation] - countBefore[operation],
            }),
          ),
        };
      },
    );
    const expectation = { before, reference };
    for (const { operation, count } of operations) {
      t.comment(`${operation}: ${String(count)} in a start`);
    }
    const faults = operations.flatMap(({ operation, count }) =>
      Array.from({ length: count }, (_, index) => index + 1).flatMap((at) =>
        [false, true].map((lasts): DiskFault => ({ operation, at, lasts })),
      ),
    );

    const results: Record<string, number> = {};
    const inject = async (fault: DiskFault): Promise<string[]> => {
      await run(["cp", "--sparse=always", "--", scenario.disk, disk]);
      const faulty = await withFaultyDisk(disk, scratch, fault, startOnce);
      const result = faulty.record?.result ?? "none";
      results[result] = (results[result] ?? 0) + 1;
      fs.renameSync(disk, `${disk}-after`);
      return withCopy(`${disk}-after`, disk, async () => {
        const problems = judgeFaultyStart(expectation, faulty, await look());
        const next = startOnce();
        return [
          ...problems,
          ...judgeNextStart(expectation, next, await look()),
        ];
      });
    };

    const chosen = Math.min(wantedFaults() ?? BOUND, faults.length);
    let survived = 0;
    let lost = 0;
    for (let index = 0; index < chosen; index += 1) {
      const fault = faults[Math.floor((index * faults.length) / chosen)];
      if (fault === undefined) continue;
      const problems = await inject(fault);
      if (problems.length === 0) survived += 1;
      if (problems.some((text) => /is lost|has changed/.test(text))) lost += 1;
      const { operation, at, lasts } = fault;
      const name = `${operation} ${String(at)} ${lasts ? "and all that follow" : "alone"}`;
      for (const problem of problems)
        t.fail(`${name}: ${problem}`, { at: null, stack: "" });
    }
    recordCampaign(t, {
      campaign: "I/O errors",
      injected: chosen,
      survived,
      lost,
      note: [
        `of ${String(faults.length)} that there are`,
        ...Object.entries(results).map(
          ([result, count]) => `${String(count)} ${result}`,
        ),
      ].join(", "),
    });
  },
);

/** @see https://docs.kernel.org/admin-guide/iostats.html */
function countOperations(
  device: string,
): Record<DiskFault["operation"], number> {
  const [read = 0, , , , write = 0, ...rest] = fs
    .readFileSync(`/sys/block/${device.slice("/dev/".length)}/stat`, "utf8")
    .trim()
    .split(/\s+/)
    .map(Number);
  return { read, write, flush: rest[10] ?? 0 };
}
