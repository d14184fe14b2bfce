import path from "node:path";
import fs from "fs-extra";
import t from "tap";
import { generators } from "../../../installer/generators/choose-generator.ts";
import type { GeneratorName } from "../../../installer/generators/generator.ts";
import { treeHost } from "../../../installer/system/tree-host.ts";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";

const real = createHost("/", createLog([]));

const HOOKS = "HOOKS=(base systemd autodetect modconf block filesystems)\n";
const PRESET = `ALL_kver=/boot/vmlinuz-linux
PRESETS=(default)
default_image=/boot/initramfs-linux.img
`;
const FALLBACK = `${PRESET}PRESETS=(default fallback)
fallback_image=/boot/initramfs-linux-fallback.img
fallback_options="-S autodetect"
`;
const ELSEWHERE =
  "has only the drivers of the machine that it is built on. If it is to boot another machine,";

interface Case {
  readonly what: string;
  readonly files: Readonly<Record<string, string>>;
  /** `undefined`: nothing to warn of. */
  readonly warning: string | undefined;
}

const cases: Readonly<Record<GeneratorName, readonly Case[]>> = {
  mkinitcpio: [
    {
      what: "mkinitcpio 41 makes one image, by autodetect",
      files: {
        "etc/mkinitcpio.conf": HOOKS,
        "etc/mkinitcpio.d/linux.preset": PRESET,
      },
      warning: `HOOKS in /etc/mkinitcpio.conf has autodetect: /boot/initramfs-linux.img ${ELSEWHERE} remove autodetect from HOOKS.`,
    },
    {
      what: "an earlier one makes a fallback without it",
      files: {
        "etc/mkinitcpio.conf": HOOKS,
        "etc/mkinitcpio.d/linux.preset": FALLBACK,
      },
      warning: `HOOKS in /etc/mkinitcpio.conf has autodetect: /boot/initramfs-linux.img ${ELSEWHERE} remove autodetect from HOOKS, or boot /boot/initramfs-linux-fallback.img, which has all drivers.`,
    },
    {
      what: "a preset's own configuration",
      files: {
        "etc/mkinitcpio.conf": "HOOKS=(base block)\n",
        "etc/lts.conf": HOOKS,
        "etc/mkinitcpio.d/linux.preset": PRESET,
        "etc/mkinitcpio.d/lts.preset": `${PRESET.replace("linux.img", "lts.img")}default_config=/etc/lts.conf\n`,
      },
      warning: `HOOKS in /etc/lts.conf has autodetect: /boot/initramfs-lts.img ${ELSEWHERE} remove autodetect from HOOKS, or boot /boot/initramfs-linux.img, which has all drivers.`,
    },
    {
      what: "no kernel yet",
      files: { "etc/mkinitcpio.conf": HOOKS },
      warning: `HOOKS in /etc/mkinitcpio.conf has autodetect: the initramfs ${ELSEWHERE} remove autodetect from HOOKS.`,
    },
    {
      what: "none has it",
      files: {
        "etc/mkinitcpio.conf": `#${HOOKS}HOOKS=(base udev block)\n`,
        "etc/mkinitcpio.d/linux.preset": PRESET,
      },
      warning: undefined,
    },
    {
      what: "every preset leaves it out",
      files: {
        "etc/mkinitcpio.conf": HOOKS,
        "etc/mkinitcpio.d/linux.preset": `${PRESET}default_options=(--skiphooks=kms,autodetect)\n`,
      },
      warning: undefined,
    },
  ],
  dracut: [
    {
      what: "as Fedora has it",
      files: {
        "etc/dracut.conf": "",
        "usr/lib/dracut/dracut.conf.d/01-dist.conf":
          'i18n_vars="x"\nhostonly="yes"\n',
      },
      warning: `/usr/lib/dracut/dracut.conf.d/01-dist.conf has hostonly=yes: dockroot builds for any machine here, but an initramfs that dracut builds later, for a new kernel, ${ELSEWHERE} write hostonly=no into a file below /etc/dracut.conf.d.`,
    },
    {
      what: "a file of the same name overrules it",
      files: {
        "usr/lib/dracut/dracut.conf.d/01-dist.conf": "hostonly=yes\n",
        "etc/dracut.conf.d/01-dist.conf": "",
      },
      warning: undefined,
    },
    {
      what: "a later one overrules it",
      files: {
        "etc/dracut.conf": "hostonly=yes\n",
        "etc/dracut.conf.d/all.conf": "hostonly=no\n",
      },
      warning: undefined,
    },
  ],
  "initramfs-tools": [
    {
      what: "as Debian's installer writes it",
      files: {
        "etc/initramfs-tools/initramfs.conf": "MODULES=most\n",
        "etc/initramfs-tools/conf.d/driver-policy": "# x\nMODULES=dep\n",
      },
      warning: `/etc/initramfs-tools/conf.d/driver-policy has MODULES=dep: the initramfs ${ELSEWHERE} write MODULES=most there.`,
    },
    {
      what: "files below /etc are read after the others",
      files: {
        "usr/share/initramfs-tools/conf.d/z": "MODULES=dep\n",
        "etc/initramfs-tools/conf.d/a": "MODULES=most\n",
      },
      warning: undefined,
    },
    {
      what: "a list of one's own, and what dpkg has left",
      files: {
        "etc/initramfs-tools/initramfs.conf": "MODULES=list\n",
        "etc/initramfs-tools/conf.d/x.dpkg-old": "MODULES=dep\n",
      },
      warning: undefined,
    },
  ],
};

for (const [name, kinds] of Object.entries(cases)) {
  for (const { what, files, warning } of kinds) {
    t.test(`${name}: ${what}`, async (t) => {
      const tree = t.testdir();
      for (const [file, text] of Object.entries(files)) {
        fs.outputFileSync(path.join(tree, file), text);
      }
      const generator = Object.values(generators).find(
        (known) => known.name === name,
      );
      t.strictSame(
        await generator?.describeHostOnly(treeHost(real, tree)),
        warning === undefined ? [] : [warning],
      );
    });
  }
}
