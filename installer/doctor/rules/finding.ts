import type { FoundEntry } from "../../loaders/formats/boot-loader.ts";

/** What findings are about; stable, for programs. In the order in which they are told. */
export const SUBJECTS = [
  "options",
  "boot-entries",
  "disk",
  "space",
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
 * `stops`: it would stop a boot, or leave a system that nobody can use. `unknown`: what cannot be
 * known here, and why.
 */
export type Severity = "stops" | "warning" | "unknown" | "ok";

export interface Finding {
  readonly severity: Severity;
  readonly subject: Subject;
  readonly message: string;
  /** What to do, as a sentence; `null` where nothing is to be done. */
  readonly remedy: string | null;
}

export function stops(
  subject: Subject,
  message: string,
  remedy: string,
): Finding {
  return { severity: "stops", subject, message, remedy };
}

export function warning(
  subject: Subject,
  message: string,
  remedy: string,
): Finding {
  return { severity: "warning", subject, message, remedy };
}

export function unknown(
  subject: Subject,
  message: string,
  remedy: string | null = null,
): Finding {
  return { severity: "unknown", subject, message, remedy };
}

export function ok(subject: Subject, message: string): Finding {
  return { severity: "ok", subject, message, remedy: null };
}

/** How people call a boot entry. */
export function nameEntry({ title, file }: FoundEntry): string {
  return `the entry "${title}" of ${file}`;
}

/** A finding of a file that an entry names and that is not there. */
export function notSeen(
  subject: "kernel" | "initramfs",
  entry: FoundEntry,
  file: string,
  remedy: string,
): Finding {
  const name = nameEntry(entry);
  // It reads no other partition.
  return entry.loader === "systemd-boot"
    ? stops(
        subject,
        `${name}: there is no ${file} on the entry's partition`,
        remedy,
      )
    : unknown(
        subject,
        `${name}: its ${subject} ${file} is not seen here`,
        "Mount the volume that it is on to have it looked at.",
      );
}

/** Whether an engine's configuration lets it keep images where they are booted from. */
export type Judgement =
  | {
      /** What the configuration says: "/etc/docker/daemon.json names the storage driver btrfs". */
      readonly config: string;
      readonly problem?: undefined;
      readonly remedy?: undefined;
    }
  | {
      readonly config: string;
      /** What comes of it. */
      readonly problem: string;
      /** A sentence. */
      readonly remedy: string;
    };
