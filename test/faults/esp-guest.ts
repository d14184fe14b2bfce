import fs from "node:fs";
import path from "node:path";
import type { Test } from "tap";
import {
  parseBlockWriteLog,
  type LoggedRequest,
} from "../../fixtures/block-write-log.ts";
import { createGuestShell } from "../../fixtures/guest-shell.ts";
import { findMachine } from "../../fixtures/machine-kinds.ts";
import { run } from "../../fixtures/run.ts";
import { startVm } from "../../fixtures/vm.ts";
import { composeCmdline } from "../vm/computer.ts";
import {
  readRun,
  writeMachine,
  type DeployMachine,
  type DeployRun,
} from "./deploy-machine.ts";

/** A machine in QEMU, whose kernel can mount vfat, with one disk for what is tried. */
export interface EspGuest {
  /** The EFI system partition, as the guest's kernel calls it. */
  readonly esp: string;
  /** Puts a disk in the place of the one that is there. Nothing of it is mounted. */
  readonly insert: (disk: string) => Promise<void>;
  /** Copies the disk as it is. */
  readonly copyTo: (disk: string) => Promise<void>;
  /** As `runOnMachine`. */
  readonly run: (machine: DeployMachine, script: string) => Promise<DeployRun>;
  /** What the disk has got since the guest was started. */
  readonly requests: () => LoggedRequest[];
  readonly shell: (command: string) => Promise<string>;
}

/** Of the disk by which files are exchanged. */
const EXCHANGE_BYTES = 4 * 1024 ** 2;
const UP_TIMEOUT_MS = 5 * 60_000;

/**
 * Starts a guest: the demo's system with a shell as its init.
 * @param scratch for its files
 * @param sizeBytes of the disk
 */
export async function startEspGuest(
  t: Test,
  scratch: string,
  sizeBytes: number,
): Promise<EspGuest> {
  const system = await findMachine("demo", (_name, work) =>
    work(() => undefined),
  );
  const disk = path.join(scratch, "guest-disk");
  const exchange = path.join(scratch, "guest-exchange");
  const writeLog = path.join(scratch, "guest-log");
  for (const [file, size] of [
    [disk, sizeBytes],
    [exchange, EXCHANGE_BYTES],
    [writeLog, 0],
  ] as const) {
    fs.writeFileSync(file, "");
    fs.truncateSync(file, size);
  }
  const vm = await startVm({
    ...{ kernel: system.kernel, initramfs: system.initramfs },
    cmdline: composeCmdline("login", "init=/bin/bash"),
    workDir: path.join(scratch, "guest"),
    disks: [{ template: system.disk }, { file: disk, writeLog }, exchange],
  });
  t.teardown(() => vm.stop());
  await vm.waitFor(/# $/, UP_TIMEOUT_MS);
  const shell = createGuestShell(vm);
  await shell("export TERM=dumb PATH=/usr/sbin:/usr/bin:/sbin:/bin");
  const find = (size: number) =>
    shell(
      `for each in /dev/vd?; do [ "$(blockdev --getsize64 "$each")" != ${String(size)} ] || echo "$each"; done`,
    );
  const device = await find(sizeBytes);
  const exchangeDevice = await find(EXCHANGE_BYTES);
  // Nothing of the disk that was there is remembered.
  const forget = `echo 3 >/proc/sys/vm/drop_caches; blockdev --flushbufs ${device}; blockdev --rereadpt ${device}`;
  const directory = path.join(scratch, "guest-machine");
  return {
    esp: `${device}1`,
    insert: async (file) => {
      const size = ["--length", String(sizeBytes)];
      await run(["fallocate", "--punch-hole", ...size, disk]);
      await run([
        ...["dd", "status=none", "bs=1M", "conv=notrunc,sparse"],
        ...[`if=${file}`, `of=${disk}`],
      ]);
      await shell(forget);
    },
    copyTo: async (file) => {
      await run(["cp", "--sparse=always", "--", disk, file]);
    },
    run: async (machine, script) => {
      const file = writeMachine(
        directory,
        machine,
        script,
        "/usr/bin/dockroot",
      );
      const archive = path.join(scratch, "guest-archive");
      await run(["tar", "-C", "/", "-cf", archive, directory.slice(1)]);
      await run([
        "dd",
        "status=none",
        "conv=notrunc",
        `if=${archive}`,
        `of=${exchange}`,
      ]);
      const dd = "dd status=none bs=1M";
      const said = await shell(
        [
          `rm -rf '${directory}'`,
          `${dd} iflag=direct if=${exchangeDevice} | tar -C / -xf -`,
          `unshare --mount --propagation=private --pid --fork --kill-child -- sh -c ". '${file}'"`,
          `tar --exclude=var-lib -C / -cf - '${directory.slice(1)}' | ${dd} oflag=direct iflag=fullblock conv=sync of=${exchangeDevice}`,
        ].join("; "),
      );
      fs.rmSync(directory, { recursive: true });
      await run(["tar", "-C", "/", "-xf", exchange]);
      return { ...readRun(directory, said), isHung: false };
    },
    requests: () => {
      const log = fs.readFileSync(writeLog);
      // It begins with the first write.
      return log.length === 0 ? [] : parseBlockWriteLog(log);
    },
    shell,
  };
}
