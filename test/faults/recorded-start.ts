import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import {
  parseBlockWriteLog,
  type LoggedRequest,
} from "../../fixtures/block-write-log.ts";
import { LEAN_KERNEL_OPTIONS, startVm, type Vm } from "../../fixtures/vm.ts";
import type { BootRecord } from "../root/boot-disk.ts";
import { hashOf } from "./disk-inventory.ts";
import { RWLAYER, USER_DIRECTORY, USER_MARK } from "./written-disk.ts";

/** One boot of a machine, from its kernel to its power-off. */
export interface RecordedStart {
  readonly requests: readonly LoggedRequest[];
  readonly promises: readonly DurabilityPromise[];
  /** boot.json, as the machine had it. */
  readonly boot: BootRecord;
  /** Which subvolume was mounted as root. */
  readonly root: string;
}

/** When so many requests were completed, a user's file with this content must be on the disk. */
export interface DurabilityPromise {
  readonly requests: number;
  readonly sha256: string;
}

/**
 * The recorded machine's init: a user who writes and asks for durability in between. Each time the
 * host is told and waited for, so that it knows which requests were completed by then.
 */
export const USER_INIT = `#!/bin/sh
tell() { echo "<$*>"; read -r _; }
read -r id </proc/sys/kernel/random/uuid
while read -r _ _ _ root at _; do [ "$at" != / ] || mounted=$root; done </proc/self/mountinfo
while IFS= read -r line; do echo "$line"; done </run/dockroot/boot.json >/dev/ttyS1
tell "up $mounted"
cd /${USER_DIRECTORY}
echo "${USER_MARK}$id fsynced" >fsynced; sync fsynced; tell "durable 1 $id fsynced"
for i in 1 2 3 4 5 6 7 8 9; do echo "${USER_MARK}$id small $i" >"small-$i"; done
for i in 1 2 3 4 5 6 7 8 9; do for j in 1 2 3 4 5 6 7 8 9; do for k in 1 2 3 4 5 6 7 8 9; do
echo "${USER_MARK}$id large"; done; done; done >large
sync; tell "durable 1 $id small 9"; tell "durable 729 $id large"
echo "${USER_MARK}$id again" >again; ln again hard; mkdir -p directory; rm small-3
sync again; tell "durable 1 $id again"
echo "${USER_MARK}$id renamed" >new; sync new; mkdir deeper; echo "${USER_MARK}$id late" >deeper/late
ln -s again link; rm small-4; sync deeper/late; tell "durable 1 $id late"
echo "${USER_MARK}$id never" >never
tell written; echo o >/proc/sysrq-trigger; read -r _
`;

const UP_TIMEOUT_MS = 5 * 60_000;
const ANSWER_TIMEOUT_MS = 3 * 60_000;

export interface RecordedMachine {
  readonly kernel: string;
  readonly initramfs: string;
  readonly label: string;
  /** The kernel options besides. */
  readonly options: string;
}

/**
 * Starts a machine whose init is USER_INIT and records what its disk gets.
 * @throws Error where it does not come up
 */
export async function recordStart(
  { kernel, initramfs, label, options }: RecordedMachine,
  disk: string,
  writeLog: string,
): Promise<RecordedStart> {
  await writeFile(writeLog, "");
  const vm = await startVm({
    ...{ kernel, initramfs },
    cmdline: `root=LABEL=${label} rootflags=subvol=${RWLAYER} rw docker_path=docker ${options} ${LEAN_KERNEL_OPTIONS} console=ttyS0 loglevel=4 panic=1`,
    disks: [{ file: disk, writeLog }],
    workDir: path.dirname(writeLog),
  });
  try {
    const [, root = ""] = await vm.waitFor(/<up (\S*)>/, UP_TIMEOUT_MS);
    const promises: DurabilityPromise[] = [];
    for (;;) {
      vm.send("\r");
      const said = await vm.waitFor(
        /<(?:durable (\d+) ([^>]+)|written)>/,
        ANSWER_TIMEOUT_MS,
      );
      const [, times, text] = said;
      if (text === undefined) break;
      const { length } = await readLog(writeLog);
      const content = `${USER_MARK}${text}\n`.repeat(Number(times));
      promises.push({ requests: length, sha256: hashOf(content) });
    }
    const boot = JSON.parse(await vm.readReport()) as BootRecord;
    await end(vm);
    return { requests: await readLog(writeLog), promises, boot, root };
  } finally {
    await vm.stop();
  }
}

async function end(vm: Vm): Promise<void> {
  vm.send("\r");
  await vm.waitForPowerOff(ANSWER_TIMEOUT_MS);
}

async function readLog(file: string): Promise<LoggedRequest[]> {
  return parseBlockWriteLog(await readFile(file));
}
