import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Test } from "tap";
import {
  layOutEsp,
  makeFirmware,
  type Loader,
} from "../../fixtures/boot-loaders.ts";
import { findBootPackages } from "../../fixtures/boot-packages.ts";
import { makeEspDisk } from "../../fixtures/esp-disk.ts";
import {
  isOverlayKind,
  type MachineKind,
} from "../../fixtures/machine-kinds.ts";
import type { Firmware, Vm } from "../../fixtures/vm.ts";
import {
  composeCmdline,
  createComputer,
  STARTS_LOADER,
  type Computer,
} from "./computer.ts";

const FIRMWARE_TIMEOUT_MS = 2 * 60_000;

/**
 * No option of the kernel's that is for one boot comes into the entries of deployments. What waits for a device,
 * waits no longer than 90 s, which is short on a busy host.
 */
export const SHELL_AT_EACH_BOOT = [
  // Where roots are overlays, it is no btrfs.
  "{ mount -o subvolid=5 LABEL=linux /mnt || mount LABEL=linux /mnt; }",
  "cd /mnt/boot_docker/etc/systemd/system",
  "mkdir debug-shell.service.d sysinit.target.wants",
  "printf '[Service]\\nTTYPath=/dev/ttyS2\\n' >debug-shell.service.d/tty.conf",
  "ln -s /lib/systemd/system/debug-shell.service sysinit.target.wants",
  "ln -s /lib/systemd/system/basic.target default.target",
  "sed -i /docker/d /mnt/boot_docker/etc/fstab",
  "cd /",
].join(" && ");

/** The tutorial's computer, whose boot loader is on an EFI system partition of its own: /dev/vdb1. */
export interface LoaderComputer extends Computer {
  readonly esp: string;
  readonly firmware: Firmware;
  /** Turns it on. Returns when firmware starts what its boot loader has next. */
  readonly turnOn: (t: Test) => Promise<Vm>;
}

/**
 * @param name of the directory that it works in
 * @param more options of its entry besides the tutorial's
 * @param kind one with two kernels, on btrfs or ext4
 */
export async function createLoaderComputer(
  t: Test,
  name: string,
  loader: Loader,
  upTo: "login" | "shell",
  more = "",
  kind: MachineKind = "two-kernels",
): Promise<LoaderComputer> {
  const packages = await findBootPackages((_name, work) =>
    work(() => undefined),
  );
  const computer = await createComputer(t, name, kind);
  const { machine, workDir } = computer;
  const esp = join(workDir, "esp.img");
  t.teardown(() => rm(esp));
  const isOverlay = isOverlayKind(kind);
  const options = composeCmdline(upTo, more, isOverlay ? "" : undefined);
  const fsType = isOverlay ? "ext4" : "btrfs";
  await makeEspDisk(
    esp,
    layOutEsp(loader, packages, machine, options, fsType),
    workDir,
  );
  const firmware = await makeFirmware(packages, join(workDir, "vars.fd"));
  return {
    ...computer,
    esp,
    firmware,
    turnOn: async (t) => {
      const vm = await computer.start(t, { firmware, moreDisks: [esp] });
      await vm.waitFor(STARTS_LOADER, FIRMWARE_TIMEOUT_MS);
      return vm;
    },
  };
}
