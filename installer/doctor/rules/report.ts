import type { DoctorFacts } from "./facts.ts";
import { findFindings } from "./find-findings.ts";
import type { Finding } from "./finding.ts";

/** What `dockroot doctor --json` prints, version 1. */
export interface DoctorReport {
  readonly version: 1;
  /** Whether the system here is the one that the kernel has booted. */
  readonly isRunningSystem: boolean;
  /** What was gone through; alike ones are one. */
  readonly starts: readonly {
    readonly names: readonly string[];
    /** `null` where none was found. */
    readonly image: { readonly reference: string; readonly id: string } | null;
  }[];
  /** The worst first. */
  readonly findings: readonly Finding[];
}

export function describeReport(facts: DoctorFacts): DoctorReport {
  return {
    version: 1,
    isRunningSystem: facts.place.kind === "running",
    starts: facts.starts.map(({ sources, outcome }) => ({
      names: sources.map(({ name }) => name),
      image: outcome.kind === "planned" ? outcome.image : null,
    })),
    findings: findFindings(facts),
  };
}
