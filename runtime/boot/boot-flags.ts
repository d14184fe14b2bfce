import type { Flags } from "../base/flags.ts";

export const bootFlags = {
  cmdline: {
    type: "string",
    placeholder: "FILE",
    describe:
      "read kernel options from FILE instead of /proc/cmdline; log to stderr instead of the kernel log",
  },
  config: {
    type: "string",
    placeholder: "FILE",
    describe:
      "read the configuration from FILE instead of /etc/dockroot.json or /etc/docker-btrfs.json",
  },
  "run-dir": {
    type: "string",
    placeholder: "DIR",
    describe:
      "where logs, the record and mount points go: a directory that only root can change or replace [/run/dockroot; with --cmdline /run/dockroot-rehearsal]",
  },
  when: {
    type: "string",
    placeholder: "FILE",
    describe:
      "get ready at once, but touch no device before there is a FILE: for a hook that starts dockroot while devices are still being found",
  },
  "dry-run": {
    type: "boolean",
    describe: "print what would be done and change nothing",
  },
  json: {
    type: "boolean",
    describe:
      "print the record of a boot (with --dry-run: the plan) as JSON on stdout",
  },
} as const satisfies Flags;

export const finishFlags = {
  "run-dir": {
    ...bootFlags["run-dir"],
    describe: "where boot left its record and mount [/run/dockroot]",
  },
  when: {
    ...bootFlags.when,
    describe:
      "get ready at once, but touch nothing before there is a FILE: for a hook that starts it before root is mounted",
  },
} as const satisfies Flags;
