import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../../fixtures/run.ts";
import { undoLater } from "../../fixtures/undo.ts";
import { freeDevices } from "../root/boot-disk.ts";

/** What a disk refuses, with EIO: the `at`-th of its kind since it was attached, or all from there on. */
export interface DiskFault {
  readonly operation: "read" | "write" | "flush";
  readonly at: number;
  readonly lasts: boolean;
}

const EVENTS = {
  read: "read_aio",
  write: "write_aio",
  flush: "flush_to_disk",
} as const;
const START_TIMEOUT_MS = 10_000;

/**
 * Gives a disk file a loop device that fails, for as long as the work takes: QEMU's storage daemon
 * serves the file with its blkdebug driver between.
 * @param directory exists, and is the caller's own
 * @see https://gitlab.com/qemu-project/qemu/-/blob/master/docs/devel/testing/blkdebug.rst
 */
export async function withFaultyDisk<T>(
  file: string,
  directory: string,
  fault: DiskFault,
  work: () => T | Promise<T>,
): Promise<T> {
  const served = `${directory}/served`;
  const config = `${directory}/blkdebug.conf`;
  fs.writeFileSync(served, "");
  fs.writeFileSync(config, describeFault(fault));
  const daemon = spawn(
    "qemu-storage-daemon",
    [
      ...["--blockdev", `driver=file,filename=${file},node-name=file`],
      ...[
        "--blockdev",
        `driver=blkdebug,config=${config},image=file,node-name=faulty`,
      ],
      ...["--blockdev", "driver=raw,file=faulty,node-name=disk"],
      ...[
        "--export",
        `type=fuse,id=export,node-name=disk,mountpoint=${served},writable=on`,
      ],
    ],
    { stdio: "ignore" },
  );
  const ended = once(daemon, "exit");
  const leave = undoLater(async () => {
    await freeDevices(served);
    daemon.kill();
    await ended;
  });
  try {
    const end = Date.now() + START_TIMEOUT_MS;
    while (fs.statSync(served).size === 0) {
      if (Date.now() > end)
        throw new Error("the storage daemon does not serve");
      await sleep(20);
    }
    await run(["losetup", "--find", "--show", "--", served]);
    return await work();
  } finally {
    await leave();
  }
}

/** One state for each operation of the kind before the one that fails. */
function describeFault({ operation, at, lasts }: DiskFault): string {
  const event = EVENTS[operation];
  const states = Array.from(
    { length: at - 1 },
    (_, index) => `[set-state]
event = "${event}"
state = "${String(index + 1)}"
new_state = "${String(index + 2)}"
`,
  );
  return `${states.join("\n")}
[inject-error]
event = "${event}"
iotype = "${operation}"
errno = "5"
once = "${lasts ? "off" : "on"}"
state = "${String(at)}"
`;
}
