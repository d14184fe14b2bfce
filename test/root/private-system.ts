import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { quote } from "../../runtime/base/quote.ts";
import { scaleTimeout } from "../../fixtures/slowness.ts";
import { executable, type Outcome } from "../binary/run-dockroot.ts";

const AUTOMOUNT = path.join(import.meta.dirname, "automount");

/** A system that is another than this one, as far as dockroot looks at it. */
export interface PrivateSystem {
  /** What is in /etc, and nothing else is. */
  readonly etc: Readonly<Record<string, string>>;
  readonly cmdline?: string;
  /** What is mounted at /var/lib/docker: arguments of mount(8). */
  readonly store?: readonly string[];
  /** A directory whose content is in /boot, on a filesystem of its own; without it that is this machine's. */
  readonly boot?: string;
  /** What else is mounted: arguments of mount(8), in order. */
  readonly mounts?: readonly (readonly string[])[];
  /** What is mounted when somebody looks for it: a directory, and the tree that is there then. */
  readonly automounts?: readonly (readonly [at: string, tree: string])[];
  /** What is typed, on a terminal; without it there is none. */
  readonly answers?: string;
}

/**
 * Runs the executable in a mount namespace of its own; what is mounted there goes with it.
 * @param scratch an empty directory
 */
export function runInSystem(
  scratch: string,
  system: PrivateSystem,
  ...args: string[]
): Outcome {
  const { answers } = system;
  const call = prepareSystem(scratch, system, ...args);
  const [program = "", ...rest] =
    answers === undefined
      ? call
      : ["script", "-qec", call.map(quote).join(" "), "/dev/null"];
  const { status, stdout, stderr, error } = spawnSync(program, rest, {
    ...{
      input: answers ?? "",
      encoding: "utf8",
      timeout: scaleTimeout(60_000),
    },
  });
  if (error !== undefined) throw error;
  return { status, stdout, stderr };
}

/** @returns the call by which it is done; its process becomes the executable's */
export function prepareSystem(
  scratch: string,
  {
    etc,
    cmdline = "quiet",
    store = [],
    mounts = [],
    automounts = [],
    boot,
  }: PrivateSystem,
  ...args: string[]
): string[] {
  fs.rmSync(scratch, { recursive: true, force: true });
  fs.mkdirSync(path.join(scratch, "var-lib/docker"), { recursive: true });
  fs.mkdirSync(path.join(scratch, "etc"));
  for (const [name, text] of Object.entries(etc)) {
    fs.mkdirSync(path.dirname(path.join(scratch, "etc", name)), {
      recursive: true,
    });
    fs.writeFileSync(path.join(scratch, "etc", name), text);
  }
  fs.writeFileSync(path.join(scratch, "cmdline"), `${cmdline}\n`);
  const script = [
    "set -e",
    'mount --bind "$1/etc" /etc',
    'mount --bind "$1/cmdline" /proc/cmdline',
    'mount --bind "$1/var-lib" /var/lib',
    ...(boot === undefined
      ? []
      : [
          "mount -t tmpfs -o mode=0755,size=400m tmpfs /boot",
          `cp -R ${quote(`${boot}/.`)} /boot`,
        ]),
    ...(store.length === 0
      ? []
      : [`mount ${store.map(quote).join(" ")} /var/lib/docker`]),
    ...mounts.map((mount) => `mount ${mount.map(quote).join(" ")}`),
    ...automounts.map((pair) => [AUTOMOUNT, ...pair].map(quote).join(" ")),
    "cd /",
    'shift; exec "$@"',
  ].join("\n");
  return [
    ...["unshare", "--mount", "--propagation", "private", "--"],
    ...["sh", "-c", script, "sh", scratch, executable, ...args],
  ];
}
