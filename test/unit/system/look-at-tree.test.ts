import { spawnSync } from "node:child_process";
import path from "node:path";
import t, { type Test } from "tap";
import { makeKernel } from "../../../fixtures/boot-files.ts";
import { hooksProblem } from "../../../installer/doctor/gather-tree.ts";
import { generators } from "../../../installer/generators/choose-generator.ts";
import { readPlainPreset } from "../../../installer/generators/mkinitcpio/read-presets.ts";
import {
  mountinfoBelow,
  NotRunError,
  treeHost,
} from "../../../installer/system/tree-host.ts";
import { readProgramVersion } from "../../../installer/install/plan/helper-version.ts";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";

const real = createHost("/", createLog([]));

t.test("a tree is seen as a process sees it that is confined to it", (t) => {
  const base = t.testdir({
    outside: "a secret",
    tree: {
      etc: {
        name: "inside",
        out: t.fixture("symlink", "../../../outside"),
        absolute: t.fixture("symlink", "/etc/name"),
        live: t.fixture("symlink", "/proc/cmdline"),
      },
      proc: { cmdline: "forged" },
      odd: t.fixture("symlink", "proc"),
    },
  });
  const { files, readText, path: at } = treeHost(real, path.join(base, "tree"));
  t.equal(readText("/etc/name", 100), "inside");
  t.equal(readText("/etc/absolute", 100), "inside");
  t.equal(readText("/etc/out", 100), undefined);
  for (const forged of ["/proc/cmdline", "/etc/live", "/odd/cmdline"]) {
    t.equal(readText(forged, 100), undefined, forged);
    t.equal(files.statusOfTarget(forged), undefined, forged);
  }
  t.equal(files.statusOf(at("/etc/absolute"))?.kind, "symlink");
  t.equal(files.statusOfTarget(at("/etc/absolute"))?.kind, "file");
  t.equal(files.realPath(at("/etc/absolute")), "/etc/name");
  t.equal(files.realPath("/"), "/");
  t.equal(files.statusOf("/odd/cmdline"), undefined);
  t.equal(files.statusOf("/proc")?.kind, "directory");
  for (const live of ["/proc", "/odd"]) t.strictSame(files.namesIn(live), []);
  t.strictSame(files.namesIn("/.."), ["etc", "odd", "proc"]);
  t.throws(() => {
    files.removeFile("/etc/name");
  }, /only looked at/);
  t.end();
});

t.test("no program of it runs", async (t) => {
  const host = treeHost(real, t.testdir());
  await t.rejects(host.run(["true"]), NotRunError);
});

t.test("the mounts below a directory, as its own processes see them", (t) => {
  const text = [
    "21 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw",
    "22 21 0:5 / /mnt/a\\040b rw - btrfs /dev/sdb rw",
    "23 22 8:2 / /mnt/a\\040b/boot rw,noatime - vfat /dev/sdb1 rw",
    "24 21 8:3 / /mnt/a\\040bc rw - ext4 /dev/sdc rw",
    "",
  ].join("\n");
  t.equal(
    mountinfoBelow(text, "/mnt/a b"),
    [
      "22 21 0:5 / / rw - btrfs /dev/sdb rw",
      "23 22 8:2 / /boot rw,noatime - vfat /dev/sdb1 rw",
      "",
    ].join("\n"),
  );
  t.equal(mountinfoBelow(text, "/"), text);
  t.equal(mountinfoBelow(text, "/srv"), "");
  t.end();
});

t.test("what a program's file says of its version", (t) => {
  const cases = [
    ["util-linux", "%s from %s\0util-linux 2.38.1\0", "util-linux 2.38.1"],
    ["btrfs-progs", "\0btrfs-progs v6.14\0", "btrfs-progs v6.14"],
    ["GNU coreutils", "\0GNU coreutils\0 x\x009.1\0y", "GNU coreutils 9.1"],
    [
      "GNU coreutils",
      "\0GNU coreutils\0M-^I9.1\0GLIBC_2.34\0",
      "GNU coreutils 9.1",
    ],
    ["GNU coreutils", "\0GNU coreutils\x009.1\x009.2\0", undefined],
    ["GNU coreutils", "\x009.1\0", undefined],
    ["util-linux", "BusyBox v1.35.0 util-linux", undefined],
    ["util-linux", "\0btrfs-progs v6.14\0", undefined],
    ["btrfs-progs", "#!/bin/sh\n", undefined],
  ] as const;
  for (const [project, content, said] of cases) {
    t.equal(readProgramVersion(project, content), said, content);
  }
  t.end();
});

/** Of Arch Linux's packages linux 6.9 and mkinitcpio 39, and what people make of them. */
const PLAIN = [
  `# mkinitcpio preset file for the 'linux' package

#ALL_config="/etc/mkinitcpio.conf"
ALL_kver="/boot/vmlinuz-linux"

PRESETS=('default' 'fallback')

#default_config="/etc/mkinitcpio.conf"
default_image="/boot/initramfs-linux.img"
#default_uki="/efi/EFI/Linux/arch-linux.efi"
#default_options="--splash /usr/share/systemd/bootctl/splash-arch.bmp"

fallback_image="/boot/initramfs-linux-fallback.img"
fallback_options="-S autodetect"
`,
  "PRESETS=(a)\nALL_kver=6.1\na_kver=6.2\na_efi_image='/efi/a b.efi'\n",
  "PRESETS=a\na_kver=1\na_image=/x\na_uki=\na_efi_image=/y\na_options=(-S 'a b')",
  "PRESETS=()\n",
  "",
];

const OBSCURE = [
  'PRESETS=(a)\na_image="/boot/$(uname -r).img"',
  "PRESETS=(a)\n. /etc/other",
  "if true; then PRESETS=(a); fi",
  "PRESETS=(a)\nPRESETS+=(b)",
  "PRESETS=(*)",
];

t.test("presets are read without bash as by it", (t) => {
  const script = path.join(
    import.meta.dirname,
    "../../../installer/assets/mkinitcpio/print-preset",
  );
  for (const text of PLAIN) {
    const file = path.join(t.testdir({ preset: text }), "preset");
    const { stdout } = spawnSync("bash", [script, file], { encoding: "utf8" });
    t.strictSame(readPlainPreset(text), stdout.split("\0").slice(0, -1), text);
  }
  for (const text of OBSCURE) t.equal(readPlainPreset(text), undefined, text);
  t.end();
});

t.test("mkinitcpio's images and HOOKS, where nothing is run", async (t) => {
  const [preset = ""] = PLAIN;
  const host = treeHost(real, makeArch(t, preset));
  const builds = await generators.mkinitcpio.builds(host, "any");
  t.strictSame(
    builds.map(({ images }) => images.map((image) => image.kernelVersion)),
    [["6.9.1-arch", "6.9.1-arch"]],
  );
  const [edit] = await generators.mkinitcpio.enable(host);
  t.equal(edit?.path, "/etc/mkinitcpio.conf");

  const obscure = treeHost(real, makeArch(t, "PRESETS=($(ls))"));
  await t.rejects(generators.mkinitcpio.enable(obscure), NotRunError);
  t.match(
    await hooksProblem(obscure, generators.mkinitcpio),
    /mkinitcpio\.conf needs dockroot/,
  );
});

function makeArch(t: Test, preset: string): string {
  return t.testdir({
    boot: { "vmlinuz-linux": makeKernel("6.9.1-arch") },
    etc: {
      "mkinitcpio.conf": "HOOKS=(base udev block filesystems)\n",
      "mkinitcpio.d": { "linux.preset": preset },
    },
  });
}
