import path from "node:path";
import { asFailureOf, type BootFailure } from "./failure.ts";
import type { Host } from "./host/host.ts";
import type { TreeCounts } from "./toplayer.ts";

export interface TimedStep {
  readonly step: string;
  readonly durationMs: number;
}

/** What `<run-dir>/boot.json` holds. Paths on the disk are relative to the top level. */
export interface BootRecord {
  readonly version: 1;
  readonly dockroot: string;
  readonly node: string;
  readonly kernel: string;
  /** `fresh`: a new rwlayer stands at its name. `failed`: nothing was put in place. */
  readonly result: "fresh" | "failed";
  readonly failure?: BootFailure;
  readonly image?: {
    readonly reference: string;
    readonly id: string;
    readonly layers: number;
  };
  readonly source?: string;
  readonly rwlayer?: string;
  readonly subvolumeUuid?: string;
  readonly toplayer?: (TreeCounts & { readonly name: string }) | null;
  /** What `dockroot finish` needs. */
  readonly finish?: {
    /** Where the top level is still mounted. */
    readonly topLevel: string;
    readonly generations: number;
  };
  readonly steps: readonly TimedStep[];
  readonly totalMs: number;
  readonly warnings: readonly string[];
}

export const BOOT_RECORD = "boot.json";

/** After this time a step that is still under way says so, and again after as long. */
const SLOW_MS = 1000;
const STILL_SLOW_MS = 10_000;

/** Times steps and keeps warnings, for the log and for the record. */
export interface Recorder {
  readonly steps: readonly TimedStep[];
  readonly warnings: readonly string[];
  elapsedMs(): number;
  warn(message: string): void;
  /**
   * Runs `work` as one step; what takes longer than a second is announced.
   * @param step in words, to follow "cannot"
   * @throws BootError where a helper or a system call fails
   */
  time<T>(step: string, work: () => Promise<T> | T): Promise<T>;
}

export function createRecorder(host: Host): Recorder {
  const started = host.nowMs();
  const steps: TimedStep[] = [];
  const warnings: string[] = [];
  const round = (ms: number) => Math.round(ms * 10) / 10;
  return {
    steps,
    warnings,
    elapsedMs: () => round(host.nowMs() - started),
    warn: (message) => {
      warnings.push(message);
      host.log.warn(message);
    },
    time: async (step, work) => {
      const begun = host.nowMs();
      let timer: NodeJS.Timeout;
      const announce = () => {
        const seconds = Math.round((host.nowMs() - begun) / 1000);
        host.log.warn(`still at it after ${String(seconds)} s: ${step}`);
        timer = setTimeout(announce, STILL_SLOW_MS);
      };
      timer = setTimeout(announce, SLOW_MS);
      try {
        const result = await work();
        const durationMs = round(host.nowMs() - begun);
        steps.push({ step, durationMs });
        host.log.info(`${step} (${String(durationMs)} ms)`);
        return result;
      } catch (error) {
        throw asFailureOf(step, error);
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

export function writeBootRecord(
  host: Host,
  runDirectory: string,
  record: BootRecord,
): void {
  host.files.ensureDirectories(runDirectory);
  host.files.replaceFile(
    path.join(runDirectory, BOOT_RECORD),
    `${JSON.stringify(record, null, 2)}\n`,
    0o644,
  );
}
