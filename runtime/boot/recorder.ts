import { asFailureOf, describeFailure } from "../base/failure.ts";
import type { LogFields } from "../host/log.ts";
import type { Host } from "../host/host.ts";
import type { TimedStep } from "../records/boot-record.ts";

/** After this time a step that is still under way says so, and again after as long. */
const SLOW_MS = 1000;

const STILL_SLOW_MS = 10_000;

const PROGRESS_MS = 3000;

/** Times steps and keeps warnings, for the log and for the record. */
export interface Recorder {
  /** What came before the first step; `null` where the boot did not wait. */
  readonly waitedMs: number | null;
  readonly steps: readonly TimedStep[];
  readonly warnings: readonly string[];
  /** What names files that not everybody may see. */
  readonly details: readonly string[];
  elapsedMs(): number;
  warn(message: string, fields?: LogFields): void;
  detail(message: string): void;
  /**
   * Runs `work` as one step; what takes longer than a second is announced, with how far it is where
   * the work gives something that tells.
   * @param step in words, to follow "cannot"
   * @throws BootError where a helper or a system call fails
   */
  time<T>(
    step: string,
    work: (tellProgress: (describe: () => string) => void) => Promise<T> | T,
  ): Promise<T>;
  /** Runs work that may fail without harm: a failure is a warning. */
  tolerate(work: () => Promise<void> | void): Promise<void>;
}

export function createRecorder(
  host: Host,
  waitedMs: number | null = null,
): Recorder {
  const started = host.nowMs();
  const steps: TimedStep[] = [];
  const warnings: string[] = [];
  const details: string[] = [];
  const warn = (message: string, fields?: LogFields) => {
    warnings.push(message);
    host.log.warn(message, fields);
  };
  const round = (ms: number) => Math.round(ms * 10) / 10;
  return {
    waitedMs,
    steps,
    warnings,
    details,
    elapsedMs: () => round(host.nowMs() - started),
    warn,
    detail: (message) => {
      details.push(message);
      host.log.detail(message);
    },
    time: async (step, work) => {
      const begun = host.nowMs();
      let timer: NodeJS.Timeout;
      let describe: (() => string) | undefined;
      const announce = () => {
        const seconds = Math.round((host.nowMs() - begun) / 1000);
        const progress = describe === undefined ? "" : ` (${describe()})`;
        host.log.warn(
          `still running after ${String(seconds)} s: ${step}${progress}`,
          { step },
        );
        timer = setTimeout(
          announce,
          describe === undefined ? STILL_SLOW_MS : PROGRESS_MS,
        );
      };
      timer = setTimeout(announce, SLOW_MS);
      try {
        const result = await work((told) => {
          describe = told;
        });
        const durationMs = round(host.nowMs() - begun);
        steps.push({ step, durationMs });
        host.log.info(`${step} (${String(durationMs)} ms)`, {
          step,
          durationMs,
        });
        return result;
      } catch (error) {
        throw asFailureOf(step, error);
      } finally {
        clearTimeout(timer);
      }
    },
    tolerate: async (work) => {
      try {
        await work();
      } catch (error) {
        const failure = describeFailure(error);
        warn(failure.message, failure);
      }
    },
  };
}
