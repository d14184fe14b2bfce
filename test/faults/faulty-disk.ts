import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import {
  parseBlockWriteLog,
  type LoggedRequest,
} from "../../fixtures/block-write-log.ts";
import { run } from "../../fixtures/run.ts";
import { scaleTimeout } from "../../fixtures/slowness.ts";
import { undoLater } from "../../fixtures/undo.ts";
import { freeDevices } from "../root/boot-disk.ts";

export type DiskOperation = "read" | "write" | "flush";

/** What a disk refuses, with EIO: the `at`-th of its kind since it was attached, or all from there on. */
export interface DiskFault {
  readonly operation: DiskOperation;
  readonly at: number;
  readonly lasts: boolean;
}

const EVENTS = {
  read: "read_aio",
  write: "write_aio",
  flush: "flush_to_disk",
} as const;
/** What the daemon traces, on stderr, at each of them. It has no such event for a flush. */
const TRACES = { read: "blk_co_preadv", write: "blk_co_pwritev" } as const;
/** The place among the statistics of a block device. */
const FLUSHES = 15;
const START_TIMEOUT_MS = 10_000;
/**
 * Below the first MiB, which btrfs leaves free but for its superblock, and far from where others
 * would have theirs. Once the fault has come about, reading it tells so, with an error of its own.
 */
const PROBED_SECTOR = 2040;
const SECTOR_BYTES = 512;
const ENOSPC = "28";
const ENOSPC_TEXT = "No space left on device";

/**
 * Gives a disk file a loop device that fails, for as long as the work takes: QEMU's storage daemon
 * serves the file with its blkdebug driver between.
 * @param directory exists, and is the caller's own
 * @returns also whether the fault came about
 * @see https://gitlab.com/qemu-project/qemu/-/blob/master/docs/devel/testing/blkdebug.rst
 */
export async function withFaultyDisk<T>(
  file: string,
  directory: string,
  fault: DiskFault,
  work: () => T | Promise<T>,
): Promise<{ result: T; hasFired: boolean }> {
  const filter = faultFilter(directory, describeFault(fault));
  return serveDisk(file, directory, filter, async (served) => {
    const result = await work();
    return { result, hasFired: await probe(served) };
  });
}

/**
 * Serves a disk file in the same way without a fault, and records what is written to it.
 * @param work gets the file of the record, which grows meanwhile
 */
export async function recordWrites<T>(
  file: string,
  directory: string,
  work: (log: string) => T | Promise<T>,
): Promise<{ result: T; requests: LoggedRequest[] }> {
  const log = `${directory}/write-log`;
  fs.writeFileSync(log, "");
  const filter = [
    ...["--blockdev", `driver=file,filename=${log},node-name=log`],
    ...["--blockdev", `driver=blklogwrites,file=file,log=log,node-name=filter`],
  ];
  const result = await serveDisk(file, directory, filter, () => work(log));
  return { result, requests: parseBlockWriteLog(fs.readFileSync(log)) };
}

/**
 * Serves a disk file in the same way without a fault.
 * @returns how many operations of each kind the work brought about; of the flushes some may have had
 *   nothing to do, and cannot fail
 */
export async function countOperations(
  file: string,
  directory: string,
  work: () => void,
): Promise<Record<DiskOperation, number>> {
  const filter = faultFilter(directory, "");
  const flush = await serveDisk(file, directory, filter, (_, device) => {
    const before = countFlushes(device);
    work();
    return countFlushes(device) - before;
  });
  const trace = fs.readFileSync(`${directory}/trace`, "utf8");
  const count = (event: string) => trace.split(`${event} `).length - 1;
  return { read: count(TRACES.read), write: count(TRACES.write), flush };
}

/** @returns the daemon's options for a node `filter` above the node `file` */
function faultFilter(directory: string, faults: string): string[] {
  const config = `${directory}/blkdebug.conf`;
  fs.writeFileSync(config, faults);
  const driver = `driver=blkdebug,config=${config},image=file,node-name=filter`;
  return ["--blockdev", driver];
}

async function serveDisk<T>(
  file: string,
  directory: string,
  filter: readonly string[],
  work: (served: string, device: string) => T | Promise<T>,
): Promise<T> {
  const served = `${directory}/served`;
  fs.writeFileSync(served, "");
  const trace = fs.openSync(`${directory}/trace`, "w");
  const daemon = spawn(
    "qemu-storage-daemon",
    [
      ...Object.values(TRACES).flatMap((event) => ["--trace", event]),
      ...["--blockdev", `driver=file,filename=${file},node-name=file`],
      ...filter,
      ...["--blockdev", "driver=raw,file=filter,node-name=disk"],
      ...[
        "--export",
        `type=fuse,id=export,node-name=disk,mountpoint=${served},writable=on`,
      ],
    ],
    { stdio: ["ignore", "ignore", trace] },
  );
  fs.closeSync(trace);
  const ended = once(daemon, "exit");
  const leave = undoLater(async () => {
    await freeDevices(served);
    daemon.kill();
    await ended;
  });
  try {
    const end = Date.now() + scaleTimeout(START_TIMEOUT_MS);
    while (fs.statSync(served).size === 0) {
      if (Date.now() > end)
        throw new Error("the storage daemon does not serve");
      await sleep(20);
    }
    return await work(
      served,
      await run(["losetup", "--find", "--show", "--", served]),
    );
  } finally {
    await leave();
  }
}

/** @see https://docs.kernel.org/admin-guide/iostats.html */
function countFlushes(device: string): number {
  const fields = fs
    .readFileSync(`/sys/block/${device.slice("/dev/".length)}/stat`, "utf8")
    .trim()
    .split(/\s+/);
  return Number(fields[FLUSHES]);
}

async function probe(served: string): Promise<boolean> {
  try {
    await run([
      ...["dd", "iflag=direct", `bs=${String(SECTOR_BYTES)}`, "count=1"],
      ...[`skip=${String(PROBED_SECTOR)}`, `if=${served}`, "of=/dev/null"],
    ]);
    return false;
  } catch (error) {
    // Another error is the fault itself, which the reading brought about.
    return String(error).includes(ENOSPC_TEXT);
  }
}

/** One state for each operation of the kind up to the one that fails, and one for what follows. */
function describeFault({ operation, at, lasts }: DiskFault): string {
  const event = EVENTS[operation];
  const states = Array.from({ length: at }, (_, index) =>
    section("set-state", {
      event,
      state: String(index + 1),
      new_state: String(index + 2),
    }),
  );
  const after = String(at + 1);
  const fault = { event, iotype: operation, errno: "5" };
  return [
    ...states,
    // The first that applies counts.
    section("inject-error", {
      ...{ event: EVENTS.read, iotype: "read", errno: ENOSPC },
      ...{ sector: String(PROBED_SECTOR), state: after, once: "off" },
    }),
    section("inject-error", { ...fault, state: String(at), once: "on" }),
    ...(lasts
      ? [section("inject-error", { ...fault, state: after, once: "off" })]
      : []),
  ].join("\n");
}

function section(
  name: string,
  options: Readonly<Record<string, string>>,
): string {
  const lines = Object.entries(options).map(
    ([option, value]) => `${option} = "${value}"`,
  );
  return [`[${name}]`, ...lines, ""].join("\n");
}
