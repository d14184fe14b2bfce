// runner: tier=first seconds=11 whole=61
import { once } from "node:events";
import path from "node:path";
import { Worker } from "node:worker_threads";
import t from "tap";
import { scaleTimeout } from "../../fixtures/slowness.ts";
import { escapeControl } from "../../runtime/base/escape.ts";
import { makeScratch } from "../root/scratch.ts";
import { isWholeTier, sampleSeed } from "../tier.ts";
import { isWholeCampaign, recordCampaign, wantedFaults } from "./campaign.ts";
import type { FuzzOrder, FuzzResult } from "./fuzz/worker.ts";

// Feeds every parser of the runtime with what a damaged or hostile source could hold. In the first
// tier these are some inputs made with the sample's seed; in the whole one the same at each run, as
// many as a minute takes. FAULTS=n makes it n of them where that is more.

const SEED = 20_25;
const DURATION_MS = 60_000;
const SAMPLE = 25_000;
/** An input that is under way for longer hangs: the usual one takes less than a millisecond. */
const HANG_MS = 20_000;
const LOOK_MS = 500;

await t.test(
  "every parser answers or refuses, whatever it is fed",
  async (t) => {
    const wanted = wantedFaults() ?? 0;
    const bound = isWholeCampaign() ? 0 : SAMPLE;
    const seed = isWholeTier() ? SEED : sampleSeed();
    const order: FuzzOrder = {
      scratch: makeScratch(t, "fuzz"),
      seed,
      // `all`: there is no end of them.
      leastInputs: Math.max(bound, Number.isFinite(wanted) ? wanted : 0),
      leastMs: isWholeCampaign() ? DURATION_MS : 0,
      progress: new SharedArrayBuffer(4),
    };
    const { inputs, refused, failed, problems, slowest } = await fuzz(order);
    // A name with a line separator in it breaks the TAP: tap then counts nothing at all.
    for (const problem of problems) t.fail(escapeControl(problem));
    t.comment(
      `${String(inputs)} inputs, ${String(refused)} refused with errors of our own kind, ${String(failed)} others; the slowest took ${slowest.ms.toFixed(0)} ms (${slowest.input})`,
    );
    recordCampaign(t, {
      campaign: "fuzz",
      injected: inputs,
      survived: inputs - failed,
      lost: failed,
      note: `seed ${String(seed)}, ${String(refused)} refused`,
    });
  },
);

/** Runs the fuzzer in a thread of its own, so that an input on which a parser hangs can be told. */
async function fuzz(order: FuzzOrder): Promise<FuzzResult> {
  const worker = new Worker(path.join(import.meta.dirname, "fuzz/worker.ts"), {
    workerData: order,
  });
  const current = new Int32Array(order.progress);
  const stop = new AbortController();
  let seen = { input: -1, at: performance.now() };
  const timer = setInterval(() => {
    const input = Atomics.load(current, 0);
    const now = performance.now();
    if (input !== seen.input) seen = { input, at: now };
    else if (now - seen.at > scaleTimeout(HANG_MS)) {
      stop.abort(new Error(`a parser hangs on input ${String(input)}`));
    }
  }, LOOK_MS);
  try {
    const [result] = (await once(worker, "message", {
      signal: stop.signal,
    })) as [FuzzResult];
    return result;
  } catch (error) {
    throw stop.signal.aborted ? stop.signal.reason : error;
  } finally {
    clearInterval(timer);
    await worker.terminate();
  }
}
