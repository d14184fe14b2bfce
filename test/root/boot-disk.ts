import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Test } from "tap";
import { run } from "../../fixtures/run.ts";
import { scaleTimeout } from "../../fixtures/slowness.ts";
import type { DiskOptions } from "../../fixtures/loop-disk.ts";
import { makeSystemDisk, type SystemDisk } from "../../fixtures/system-disk.ts";
import { stopIfInterrupted, undoLater } from "../../fixtures/undo.ts";
import { unmountBelow } from "../../fixtures/unmount.ts";
import type {
  FailedBoot,
  RootedBoot,
} from "../../runtime/records/boot-record.ts";
import { runDockroot, type Outcome } from "../binary/run-dockroot.ts";
import { makeScratch } from "./scratch.ts";

/** A disk as a starting machine finds it: there, and not mounted. */
export interface BootDisk {
  readonly scratch: string;
  readonly file: string;
  /** Its loop device: the one that it has now, others take the numbers that are free. */
  readonly device: string;
  readonly label: string;
  readonly ids: SystemDisk["ids"];
  readonly fsType: NonNullable<DiskOptions["fsType"]>;
  /** Mounts the top level for as long as the work takes. */
  readonly look: <T>(
    work: (topLevel: string) => T | Promise<T>,
    flags?: readonly string[],
  ) => Promise<T>;
  /** The subvolumes: path to UUID. */
  readonly subvolumes: () => Promise<Readonly<Record<string, string>>>;
  /** What is mounted and attached of all that is the test's own. */
  readonly traces: () => Promise<readonly string[]>;
}

/** The boot of one machine: its kernel command line, its rwlayer, its /run. */
export interface Rehearsal {
  readonly rwlayer: string;
  readonly runDirectory: string;
  /**
   * The flags of `boot` that make it a boot of this machine.
   * @param options appended to the kernel command line: of a repeated option the last one counts
   */
  readonly flags: (options?: string) => string[];
  /** @param options as of `flags` */
  readonly boot: (options?: string, ...flags: string[]) => Outcome;
  readonly finish: () => Outcome;
  /** boot.json */
  readonly record: () => BootRecord;
  /** What boot.log has of warnings, names of files included, but for how many they are. */
  readonly warnings: () => string[];
}

/** boot.json, whatever it tells of. */
export type BootRecord = Omit<RootedBoot, "result" | "failure"> & {
  readonly result: string;
  readonly failure: FailedBoot["failure"] | null | undefined;
};

const DETACH_TIMEOUT_MS = 10_000;

/** As pino has it. */
const WARNING = 40;

let labels = 0;

/** A label that no other filesystem of this machine has: blkid looks at all of them. */
export function newLabel(): string {
  labels += 1;
  // xfs takes no more than 12 characters.
  return `d${String(process.pid)}-${String(labels)}`;
}

export async function makeBootDisk(
  t: Test,
  name: string,
  addToTree?: (tree: string, scratch: string) => Promise<void> | void,
  fsType: NonNullable<DiskOptions["fsType"]> = "btrfs",
  options: Pick<DiskOptions, "inodes"> = {},
): Promise<BootDisk> {
  const scratch = makeScratch(t, name);
  const label = newLabel();
  const { file, ids } = await makeSystemDisk(scratch, {
    ...{ label, fsType, sizeBytes: 512 * 1024 ** 2, ...options },
    addToTree: (tree) => addToTree?.(tree, scratch),
  });
  await attach(t, file);
  const whole = fsType === "btrfs" ? "subvolid=5" : "noatime";
  const look: BootDisk["look"] = (work, flags = []) =>
    lookAt(file, work, [whole, ...flags]);
  return {
    ...{ scratch, file, label, ids, look, fsType },
    get device() {
      return deviceOf(file);
    },
    subvolumes: () => look(listSubvolumes, ["ro"]),
    traces: async () => {
      const mounts = fs.readFileSync("/proc/self/mountinfo", "utf8");
      // In columns their width would depend on the others of the machine.
      const loops = await run([
        ...["losetup", "--list", "--raw", "--output=NAME,BACK-FILE"],
      ]);
      return `${mounts}\n${loops}`
        .split("\n")
        .filter((line) => line.includes(scratch))
        .toSorted();
    },
  };
}

/** Mounts a disk file that has a loop device, for as long as the work takes. */
export async function lookAt<T>(
  file: string,
  work: (directory: string) => T | Promise<T>,
  flags: readonly string[],
): Promise<T> {
  stopIfInterrupted();
  const at = fs.mkdtempSync(`${file}-`);
  const leave = undoLater(async () => {
    await unmountBelow(at);
    fs.rmdirSync(at);
  });
  try {
    await run(["mount", "-o", flags.join(","), "--", deviceOf(file), at]);
    return await work(at);
  } finally {
    await leave();
  }
}

/** Gives a disk file a loop device until the test ends. */
export async function attach(t: Test, file: string): Promise<string> {
  stopIfInterrupted();
  t.teardown(undoLater(() => detach(file)));
  return run(["losetup", "--find", "--show", "--", file]);
}

/** Frees a disk file's loop device and waits for that; what is mounted from it is unmounted. */
export async function detach(file: string): Promise<void> {
  await unmountBelow(path.dirname(file));
  await freeDevices(file);
}

/** As `detach`, where nothing is mounted from it. */
export async function freeDevices(file: string): Promise<void> {
  const end = Date.now() + scaleTimeout(DETACH_TIMEOUT_MS);
  for (const device of devicesOf(file)) await run(["losetup", "-d", device]);
  while (devicesOf(file).length > 0) {
    if (Date.now() > end) throw new Error(`${file} is still in use`);
    await sleep(50);
  }
}

function deviceOf(file: string): string {
  const [device] = devicesOf(file);
  if (device === undefined) throw new Error(`${file} has no loop device`);
  return device;
}

function devicesOf(file: string): string[] {
  const options = ["--noheadings", "--output=NAME", "--associated", file];
  return execFileSync("losetup", ["--list", ...options], { encoding: "utf8" })
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

/** @param rwlayer has no other user on this disk */
export function rehearse(
  t: Test,
  {
    scratch,
    label,
    fsType = "btrfs",
  }: Pick<BootDisk, "scratch" | "label"> & Partial<Pick<BootDisk, "fsType">>,
  rwlayer: string,
  options = "docker_image=system:1",
): Rehearsal {
  const root =
    fsType === "btrfs"
      ? `rootflags=subvol=${rwlayer}`
      : `dockroot.root=${rwlayer}`;
  return rehearseCmdline(
    t,
    path.join(scratch, "machines", encodeURIComponent(rwlayer)),
    rwlayer,
    `BOOT_IMAGE=/vmlinuz root=LABEL=${label} ${root} rw quiet docker_path=docker dockroot.fallback=none ${options}`,
  );
}

/**
 * The same, by its whole kernel command line.
 * @param directory of the machine's own files
 */
export function rehearseCmdline(
  t: Test,
  directory: string,
  rwlayer: string,
  cmdline: string,
): Rehearsal {
  stopIfInterrupted();
  const runDirectory = path.join(directory, "run");
  fs.mkdirSync(runDirectory, { recursive: true });
  t.teardown(undoLater(() => unmountBelow(runDirectory)));
  const file = (name: string) => path.join(directory, name);
  fs.writeFileSync(file("config.json"), "{}");
  const flagsOf = (more = "", ...given: readonly string[]) => {
    fs.writeFileSync(file("cmdline"), `${cmdline} ${more}\n`);
    const usual = [
      ["--cmdline", file("cmdline")],
      ["--config", file("config.json")],
      ["--run-dir", runDirectory],
    ];
    return [
      ...usual.filter(([name = ""]) => !given.includes(name)).flat(),
      ...given,
    ];
  };
  return {
    rwlayer,
    runDirectory,
    flags: (more) => flagsOf(more),
    boot: (more, ...flags) => {
      stopIfInterrupted();
      return runDockroot("boot", ...flagsOf(more, ...flags));
    },
    finish: () => runDockroot("finish", "--run-dir", runDirectory),
    record: () =>
      JSON.parse(
        fs.readFileSync(path.join(runDirectory, "boot.json"), "utf8"),
      ) as BootRecord,
    warnings: () =>
      fs
        .readFileSync(path.join(runDirectory, "boot.log"), "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as { level: number; msg: string })
        .filter(({ level }) => level === WARNING)
        .map(({ msg }) => msg)
        .filter((msg) => !/^still running after |: see boot\.log/.test(msg)),
  };
}

/** Made through their numbers: a name may contain what looks like another line of the list. */
async function listSubvolumes(
  topLevel: string,
): Promise<Readonly<Record<string, string>>> {
  const list = await run(["btrfs", "subvolume", "list", "-u", topLevel]);
  const found: Record<string, string> = {};
  for (const [, id = "", uuid = ""] of list.matchAll(
    /^ID (\d+) gen \d+ top level \d+ uuid ([0-9a-f-]{36}) path /gm,
  )) {
    const resolve = ["btrfs", "inspect-internal", "subvolid-resolve"];
    found[await run([...resolve, id, topLevel])] = uuid;
  }
  return found;
}
