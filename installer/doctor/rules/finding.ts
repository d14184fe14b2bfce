import type { FoundEntry } from "../../loaders/formats/boot-loader.ts";

/** What findings are about; stable, for programs. In the order in which they are told. */
export const SUBJECTS = [
  "options",
  "boot-entries",
  "disk",
  "space",
  "deployments",
  "engine",
  "image",
  "init",
  "kernel",
  "initramfs",
  "helpers",
  "fstab",
  "store-mount",
  "logins",
  "top-layer",
] as const;

export type Subject = (typeof SUBJECTS)[number];

/**
 * The worst first. `stops`: it would stop a boot, or leave a system that nobody can use. `falls-back`: no new root
 * would be made, and an earlier one would boot. `unknown`: what cannot be known here, and why.
 */
export const SEVERITIES = [
  "stops",
  "falls-back",
  "warning",
  "unknown",
  "ok",
] as const;

export type Severity = (typeof SEVERITIES)[number];

export interface Finding {
  readonly severity: Severity;
  readonly subject: Subject;
  readonly message: string;
  /** What to do, as a sentence; `null` where nothing is to be done. */
  readonly remedy: string | null;
}

type Tell<Remedy extends [] | [remedy?: string] | [remedy: string]> = (
  subject: Subject,
  message: string,
  ...remedy: Remedy
) => Finding;

const tell =
  (severity: Severity): Tell<[remedy?: string]> =>
  (subject, message, remedy) => ({
    severity,
    subject,
    message,
    remedy: remedy ?? null,
  });

export const stops: Tell<[remedy: string]> = tell("stops");

/** What keeps a new root from being made: it stops a boot where no earlier root can take its place. */
export const noRoot = (
  former: string | undefined,
  ...about: Parameters<typeof stops>
): Finding => fallBack(former, stops(...about));

/** @param former the earlier root that boots where no new one is made */
export function fallBack(former: string | undefined, found: Finding): Finding {
  return former === undefined || found.severity !== "stops"
    ? found
    : { ...found, severity: "falls-back" };
}

export const warning: Tell<[remedy: string]> = tell("warning");

export const unknown: Tell<[remedy?: string]> = tell("unknown");

export const ok: Tell<[]> = tell("ok");

/** How people call a boot entry. */
export function nameEntry({ title, file, shown, isUki }: FoundEntry): string {
  const where = shown ?? file;
  return isUki === true
    ? `the unified kernel image ${where} ("${title}")`
    : `the entry "${title}" of ${where}`;
}
