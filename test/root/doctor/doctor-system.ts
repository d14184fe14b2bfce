import fs from "fs-extra";
import path from "node:path";
import zlib from "node:zlib";
import type { Test } from "tap";
import {
  makeCpio,
  makeKernel,
  type InitramfsFiles,
} from "../../../fixtures/boot-files.ts";
import { run } from "../../../fixtures/run.ts";
import type {
  Finding,
  Severity,
} from "../../../installer/doctor/rules/finding.ts";
import { helperNames } from "../../../installer/install/helpers.ts";
import type { DoctorReport } from "../../../installer/doctor/rules/report.ts";
import { conforms } from "../../conforms.ts";
import { makeBootDisk, type BootDisk } from "../boot-disk.ts";
import { runInSystem, type PrivateSystem } from "../private-system.ts";

export const KERNEL = "6.1.0-9-test";

/** What makes an image of the tree: a kernel's modules, an engine, a generator with dockroot's hook. */
const IMAGE = String.raw`
mkdir -p etc/docker lib/modules/${KERNEL} usr/bin usr/sbin boot
touch lib/modules/${KERNEL}/modules.dep
echo '{ "storage-driver": "btrfs" }' >etc/docker/daemon.json
printf '#!/bin/sh\n' | tee usr/bin/dockerd usr/sbin/mkinitramfs >usr/bin/lsinitramfs
chmod 0755 usr/bin/dockerd usr/sbin/mkinitramfs usr/bin/lsinitramfs
for script in hooks scripts/init-top scripts/local-premount scripts/local-bottom; do
  mkdir -p etc/initramfs-tools/$script; touch etc/initramfs-tools/$script/dockroot
done
touch etc/initramfs-tools/scripts/dockroot-functions
printf 'root:x:0:0::/root:/bin/sh\n' >etc/passwd
printf 'root:x:0:\nshadow:x:42:\n' >etc/group
printf 'root:*:1::::::\n' >etc/shadow
`;

const TOP_LAYER = String.raw`
mkdir -p etc
printf 'root:$6$x$y:1::::::\n' >etc/shadow; chmod 0600 etc/shadow
echo 0123456789abcdef0123456789abcdef >etc/machine-id
`;

const CONFIG = '{ "docker_image": "system", "docker_tag": "1" }';

export const INITRAMFS: InitramfsFiles = {
  init: "#!/bin/sh\n",
  "usr/bin/dockroot": "executable",
  ...Object.fromEntries(
    helperNames.map((name) => [`usr/lib/dockroot/bin/${name}`, "program"]),
  ),
  "scripts/dockroot-functions": "",
  "scripts/init-top/dockroot": "",
  "scripts/local-premount/dockroot": "",
  "scripts/local-bottom/dockroot": "",
  "etc/dockroot.json": CONFIG,
  [`usr/lib/modules/${KERNEL}/kernel/fs/btrfs/btrfs.ko`]: "module",
};

/** A machine on which nothing is wrong. */
export interface DoctorSystem {
  readonly disk: BootDisk;
  readonly options: string;
  /** That machine's, with /boot as it is to be until the next call. */
  readonly withBoot: (change?: (boot: string) => void) => PrivateSystem;
  /** Runs `dockroot doctor --json` in a system. */
  readonly examine: (
    t: Test,
    system: PrivateSystem,
    ...args: string[]
  ) => { status: number | null; report: DoctorReport };
  /** As `examine`, but for people. */
  readonly tell: (system: PrivateSystem, ...args: string[]) => string;
}

export async function makeDoctorSystem(t: Test): Promise<DoctorSystem> {
  const disk = await makeBootDisk(t, "doctor", async (tree) => {
    await run(["sh", "-ec", IMAGE], { cwd: tree });
  });
  const device = `LABEL=${disk.label}`;
  const options = `root=${device} rootflags=subvol=docker_rwlayer rw docker_path=docker toplayer=${device} toplayer_path=boot_docker`;
  await disk.look(async (top) => {
    fs.mkdirSync(`${top}/boot_docker`);
    await run(["sh", "-ec", TOP_LAYER], { cwd: `${top}/boot_docker` });
    fs.writeFileSync(
      `${top}/boot_docker/etc/fstab`,
      `${device} /var/lib/docker btrfs subvol=docker 0 0\n`,
    );
  });
  const boot = path.join(disk.scratch, "boot");
  const system: PrivateSystem = {
    etc: { "dockroot.json": CONFIG },
    ...{ cmdline: options, boot },
    store: ["-o", "ro,subvol=docker", device],
  };
  const scratch = path.join(disk.scratch, "system");
  return {
    ...{ disk, options },
    withBoot: (change) => {
      fs.removeSync(boot);
      fs.mkdirpSync(`${boot}/EFI/refind`);
      fs.writeFileSync(`${boot}/vmlinuz`, makeKernel(KERNEL));
      fs.writeFileSync(`${boot}/initrd.img`, packInitramfs(INITRAMFS));
      fs.writeFileSync(`${boot}/EFI/refind/refind.conf`, refindConf(options));
      change?.(boot);
      return system;
    },
    examine: (t, system, ...args) => {
      const call = ["doctor", "--json", ...args];
      const { status, stdout, stderr } = runInSystem(scratch, system, ...call);
      if (stdout === "") throw new Error(stderr);
      const report = JSON.parse(stdout) as DoctorReport;
      conforms(t, "doctor", report);
      return { status, report };
    },
    tell: (system, ...args) =>
      runInSystem(scratch, system, "doctor", ...args).stdout,
  };
}

/** A menu of one entry. */
export function refindConf(options: string, initrd = "/initrd.img"): string {
  return [
    "timeout 5",
    ...["menuentry docker {", "  loader /vmlinuz"],
    ...(initrd === "" ? [] : [`  initrd ${initrd}`]),
    ...[`  options "${options}"`, "}", ""],
  ].join("\n");
}

/** Microcode before, as distributions have it. */
export function packInitramfs(files: InitramfsFiles): Buffer {
  return Buffer.concat([
    makeCpio({ "kernel/x86/microcode/GenuineIntel.bin": "microcode" }),
    Buffer.alloc(512),
    zlib.zstdCompressSync(makeCpio(files)),
  ]);
}

/** `subject: message` of each finding of this severity. */
export function findingsOf(
  { findings }: DoctorReport,
  severity: Severity,
): string[] {
  return findings
    .filter((finding: Finding) => finding.severity === severity)
    .map(({ subject, message }) => `${subject}: ${message}`);
}
