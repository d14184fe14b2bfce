import fs from "fs-extra";
import path from "node:path";
import t, { type Test } from "tap";
import { generators } from "../../../installer/generators/choose-generator.ts";
import { makeCpio, makeKernel } from "../../../fixtures/boot-files.ts";
import { formatReport } from "../../../installer/doctor/rules/format-report.ts";
import type { Finding } from "../../../installer/doctor/rules/finding.ts";
import { ExpectedTexts } from "../expected-texts.ts";
import {
  addGeneration,
  addStore,
  examine,
  KERNEL,
  makeDoctorMachine,
  OPTIONS,
  setInitramfs,
  setMenu,
  setOptions,
  type DoctorMachine,
} from "./captured-doctor.ts";

type Change = (machine: DoctorMachine) => void;

type Cases = Readonly<Record<string, Change>>;

const together =
  (...changes: readonly Change[]): Change =>
  (machine) => {
    for (const change of changes) change(machine);
  };

/** The machine's menu has no entry that boots an image. */
const withoutEntry: Change = ({ system }) => {
  system.remove("boot/grub/grub.cfg");
};

/** Nothing boots an image yet. */
const withoutBoot = together(withoutEntry, (machine) => {
  machine.system.remove("etc/dockroot.json");
  setOptions(machine, "root=/dev/vda3 ro quiet");
});

/** A container or a chroot. */
const elsewhere: Change = ({ system }) => {
  system.remove("proc/self/ns/pid");
};

const MICROCODE = makeCpio({
  "kernel/x86/microcode/AuthenticAMD.bin": "microcode",
});

const ENTRIES: Cases = {
  "the kernel is gone": ({ system }) => {
    system.remove("boot/vmlinuz");
  },
  "the kernel's file is no kernel": ({ system }) => {
    system.write("boot/vmlinuz", "not a kernel");
  },
  "the kernel is not the image's": ({ system }) => {
    system.write("boot/vmlinuz", makeKernel("6.1.0-41-amd64"));
  },
  "microcode before the initramfs": (machine) => {
    machine.system.write("boot/amd-ucode.img", MICROCODE);
    setMenu(machine, { initrd: "/amd-ucode.img /initrd.img" });
  },
  "microcode alone": (machine) => {
    machine.system.write("boot/amd-ucode.img", MICROCODE);
    setMenu(machine, { initrd: "/amd-ucode.img" });
  },
  "an initramfs that nothing can read": ({ system }) => {
    system.write("boot/initrd.img", "not an initramfs");
  },
  "an initramfs without modules": (machine) => {
    setInitramfs(machine, {
      [`usr/lib/modules/${KERNEL}/kernel/fs/btrfs/btrfs.ko`]: undefined,
    });
  },
  "an initramfs for another kernel": (machine) => {
    setInitramfs(machine, {
      [`usr/lib/modules/${KERNEL}/kernel/fs/btrfs/btrfs.ko`]: undefined,
      "usr/lib/modules/6.1.0-41-amd64/kernel/fs/btrfs/btrfs.ko": "module",
    });
  },
  "an initramfs without dockroot": (machine) => {
    setInitramfs(machine, { "usr/bin/dockroot": undefined });
  },
  "an initramfs without programs": (machine) => {
    setInitramfs(machine, {
      "usr/lib/dockroot/bin/btrfs": undefined,
      "usr/lib/dockroot/bin/cp": undefined,
    });
  },
  "the initramfs is gone": ({ system }) => {
    system.remove("boot/initrd.img");
  },
  "an entry without an initramfs": (machine) => {
    setMenu(machine, { initrd: "" });
  },
  "rEFInd looks for kernel and initramfs itself": (machine) => {
    withoutEntry(machine);
    machine.system.write("boot/refind_linux.conf", `"docker" "${OPTIONS}"\n`);
  },
  "systemd-boot reads one partition": (machine) => {
    withoutEntry(machine);
    machine.system.write(
      "boot/loader/entries/docker.conf",
      `title docker\nlinux /gone\ninitrd /gone.img\noptions ${OPTIONS}\n`,
    );
  },
  "no entry is known, and another kernel runs": together(
    withoutEntry,
    ({ system }) => {
      system.write("proc/sys/kernel/osrelease", "6.1.0-41-amd64\n");
    },
  ),
  "an entry is known, and another kernel runs": ({ system }) => {
    system.write("proc/sys/kernel/osrelease", "6.1.0-41-amd64\n");
  },
  "a menu that cannot be read, and an entry that is not in it yet": (
    machine,
  ) => {
    machine.system.fifo("boot/limine.conf");
    machine.system.write(
      "etc/grub.d/40_custom",
      `#!/bin/sh\nexec tail -n +3 $0\nmenuentry 'next' {\n linux /vmlinuz ${OPTIONS}\n initrd /initrd.img\n}\n`,
    );
  },
  "no entry boots an image": withoutBoot,
};

const IMAGE: Cases = {
  "no init": ({ image }) => {
    image.remove("usr/sbin/init");
  },
  "no modules": ({ image }) => {
    image.remove(`usr/lib/modules/${KERNEL}`);
  },
  "a kernel without its modules": ({ image }) => {
    image.write("boot/vmlinuz-6.1.0-41-amd64", makeKernel("6.1.0-41-amd64"));
  },
  "no generator": ({ image }) => {
    image.remove("usr/sbin/mkinitramfs");
  },
  "a generator without the hook": ({ image }) => {
    image.remove("etc/initramfs-tools/hooks/dockroot");
  },
  "mkinitcpio with the hook's files, but not in HOOKS": ({ image }) => {
    image.remove("usr/sbin/mkinitramfs");
    addMkinitcpio(image);
  },
  "mkinitcpio, beside a generator that is ready": ({ image }) => {
    addMkinitcpio(image);
  },
};

function addMkinitcpio(image: DoctorMachine["image"]): void {
  image.write("usr/bin/mkinitcpio", "", { mode: 0o755 });
  image.write("etc/mkinitcpio.conf", "HOOKS=(base udev block filesystems)\n");
  for (const { path } of generators.mkinitcpio.files) {
    image.write(path.slice(1));
  }
}

const ROOM: Cases = {
  "50 MB on the disk": ({ free }) => free.set("disk", 50e6),
  "1.5 GB on the disk": ({ free }) => free.set("disk", 1.5e9),
  "200 MB in /boot": ({ free }) => free.set("/boot", 200e6),
  "100 MB in /boot": ({ free }) => free.set("/boot", 100e6),
  "100 MB in /boot, and an initramfs of 37 MB": ({ free, system }) => {
    free.set("/boot", 100e6);
    system.set("boot/initrd.img", { sizeBytes: 37e6 });
  },
  "200 MB in /boot, and an initramfs of 300 MB": ({ free, system }) => {
    free.set("/boot", 200e6);
    system.set("boot/initrd.img", { sizeBytes: 300e6 });
  },
};

const lock: Change = ({ layer }) => {
  layer.edit("etc/shadow", (text) =>
    text.replaceAll(/^(\w+):\$[^:]*/gm, "$1:!"),
  );
};

const locked = (change: Change) => together(lock, change);

/** Who can log in, where nobody has a password. */
const LOGINS: Cases = {
  "all are locked": lock,
  "all are locked, and there is no top layer": (machine) => {
    const options = OPTIONS.replace(/ toplayer\S*/g, "");
    setOptions(machine, options);
    setMenu(machine, { options });
  },
  "all are locked, and homes are mounted": locked(({ layer }) => {
    layer.edit(
      "etc/fstab",
      (text) => `${text}LABEL=home /home ext4 defaults 0 2\n`,
    );
  }),
  "a key for ssh": locked(({ layer }) => {
    layer.write(
      "home/alice/.ssh/authorized_keys",
      "# none\nssh-ed25519 AAAA\n",
    );
    layer.write("root/.ssh/authorized_keys", "# none\n");
  }),
  "a password of the image's": ({ image, layer }) => {
    for (const name of ["passwd", "shadow", "group", "gshadow"]) {
      layer.remove(`etc/${name}`);
    }
    image.edit("etc/shadow", (text) =>
      text.replace(/^root:[^:]*/m, "root:$y$j9T$a$b"),
    );
  },
  "an empty password": locked(({ layer }) => {
    layer.edit("etc/shadow", (text) => text.replace(/^alice:[^:]*/m, "alice:"));
  }),
  "there is no /etc/passwd": ({ image, layer }) => {
    image.remove("etc/passwd");
    layer.remove("etc/passwd");
  },
  "passwd is a FIFO": ({ layer }) => {
    layer.remove("etc/passwd");
    layer.fifo("etc/passwd");
  },
};

const AUTOMATIC: readonly (readonly [file: string, text: string])[] = [
  [
    "etc/systemd/system/getty@tty1.service.d/auto.conf",
    "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin alice - $TERM\n",
  ],
  [
    "etc/systemd/system/getty@tty1.service.d/auto.conf",
    "[Service]\nExecStart=\nExecStart=-/sbin/agetty -a alice --noclear %I\n",
  ],
  [
    "etc/systemd/system/getty@tty1.service.d/noclear.conf",
    "[Service]\n#ExecStart=-/sbin/agetty --autologin alice %I\nExecStart=-/sbin/agetty -o '-p -- \\u' --noclear - $TERM\n",
  ],
  [
    "usr/lib/systemd/system/getty@tty1.service.d/a.conf",
    "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root %I\n",
  ],
  [
    "etc/systemd/system/serial-getty@ttyS0.service.d/a.conf",
    "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root %I\n",
  ],
  [
    "etc/systemd/system/getty@tty1.service",
    "[Service]\nExecStart=-/sbin/agetty --autologin root %I\n",
  ],
  ["etc/credstore/agetty.autologin", "alice"],
  ["etc/inittab", "1:2345:respawn:/sbin/agetty --autologin root tty1 linux\n"],
  ["etc/inittab", "1:2345:respawn:/sbin/agetty --noclear tty1 linux\n"],
  ["etc/inittab", "tty1::respawn:/bin/login -f root\n"],
  ["etc/inittab", "::askfirst:-/bin/sh\n#tty2::askfirst:-/bin/sh\n"],
  ["etc/inittab", "# tty2::askfirst:-/bin/sh\n"],
  ["etc/conf.d/agetty.tty1", 'agetty_options="--autologin root"\n'],
  ["etc/conf.d/agetty.tty1", 'agetty_options="--noclear"\n'],
  ["etc/sv/agetty-tty1/conf", 'GETTY_ARGS="--autologin alice"\n'],
  ["etc/sv/agetty-tty1/conf", 'GETTY_ARGS="-a alice"\n'],
  [
    "etc/runit/sv/agetty-tty1/run",
    "#!/bin/sh\nexec agetty -a alice tty1 38400 linux\n",
  ],
  [
    "etc/greetd/config.toml",
    '[initial_session]\ncommand = "sway"\nuser = "alice"\n',
  ],
  [
    "etc/greetd/config.toml",
    '[default_session]\ncommand = "agreety --cmd sway"\nuser = "greeter"\n',
  ],
  [
    "etc/greetd/config.toml",
    '[default_session]\ncommand = "sway"\nuser = "alice"\n',
  ],
  ["etc/ly/config.ini", "auto_login_user = alice\n"],
  ["etc/ly/config.ini", "auto_login_user = null\n"],
  ["etc/dinit.d/boot", "type = internal\n"],
  ["etc/nsswitch.conf", "passwd: files sss systemd\n"],
  ["etc/nsswitch.conf", "passwd: files systemd\n"],
  ["etc/gdm3/daemon.conf", "[daemon]\n#  AutomaticLogin = user1\n"],
  ["etc/gdm3/daemon.conf", "[daemon]\nAutomaticLogin = alice\n"],
  ["etc/sddm.conf.d/a.conf", "[Autologin]\nUser=alice\n"],
  ["etc/sddm.conf", "[Autologin]\nUser=\nSession=\n"],
  ["etc/lightdm/lightdm.conf", "#autologin-user=\n"],
  ["etc/lightdm/lightdm.conf", "autologin-user=alice\n"],
  ["etc/motd", "autologin-user=alice\n"],
];

const AUTOMATIC_LOGINS: Cases = Object.fromEntries(
  AUTOMATIC.map(([file, text]) => [
    `/${file}: ${JSON.stringify(text)}`,
    locked(({ image }) => {
      image.write(file, text);
    }),
  ]),
);

const daemonJson = (text: string) => (machine: DoctorMachine) => {
  machine.image.write("etc/docker/daemon.json", text);
};

const ENGINE: Cases = {
  ...Object.fromEntries(
    [
      '{ "storage-driver": "overlay2" }',
      '{ "storage-driver": "btrfs", "userns-remap": "default" }',
      '{ "storage-driver": "btrfs", "features": { "containerd-snapshotter": true } }',
      '{ "features": { "containerd-snapshotter": false } }',
      "[]",
      "",
    ].map((text) => [`daemon.json of the image: ${text}`, daemonJson(text)]),
  ),
  "daemon.json here": ({ system }) => {
    system.write("etc/docker/daemon.json", '{ "storage-driver": "overlay2" }');
  },
  "no engine here": ({ system }) => {
    system.remove("etc/docker/daemon.json");
  },
  "Docker here, without daemon.json": ({ system }) => {
    system.remove("etc/docker/daemon.json");
    system.write("usr/bin/dockerd", "\x7fELF");
  },
  "stores side by side": (machine) => {
    addStore(machine, "containerd", "docker/containerd/daemon");
    machine.disk.edit("docker/image/btrfs/repositories.json", (text) =>
      text.replace('"one:1"', '"one:own"'),
    );
    const options = OPTIONS.replace("one:1", "one:own");
    setOptions(machine, options);
    setMenu(machine, { options });
  },
  "layers in directories": ({ disk }) => {
    disk.remove("docker/btrfs");
    fs.renameSync(
      path.join(disk.at, "docker/image/btrfs"),
      path.join(disk.at, "docker/image/overlay2"),
    );
  },
  "a store that is damaged": ({ disk }) => {
    disk.write("docker/image/btrfs/repositories.json", '{"Repositories":');
  },
  "several stores, and no boot that names one": together(
    withoutBoot,
    (machine) => {
      addStore(machine, "podman");
      machine.asked = "one:1";
    },
  ),
  "an image that is asked for, and no boot": together(
    withoutBoot,
    (machine) => {
      machine.asked = "one:1";
    },
  ),
};

const snapshotter = (driver: string) =>
  daemonJson(`{ "features": { "containerd-snapshotter": true }${driver} }`);

const CONTAINERD: Cases = {
  "only the driver": daemonJson('{ "storage-driver": "btrfs" }'),
  "the feature, without a driver": snapshotter(""),
  "the feature, with another driver": snapshotter(
    ', "storage-driver": "overlayfs"',
  ),
  "the feature, with btrfs": snapshotter(', "storage-driver": "btrfs"'),
};

const storageConf =
  (text: string): Change =>
  ({ image }) => {
    image.write("usr/bin/podman", "", { mode: 0o755 });
    image.write("etc/containers/storage.conf", text);
  };

const PODMAN: Cases = Object.fromEntries(
  [
    '[storage]\ndriver = "overlay" # as packaged\n',
    "[storage]\ndriver = 'btrfs'\n",
    "[storage]\ndriver = btrfs\n",
    "",
  ].map((text) => [
    `storage.conf of the image: ${JSON.stringify(text)}`,
    storageConf(text),
  ]),
);

const fstab = (text: string) => (machine: DoctorMachine) => {
  machine.layer.write("etc/fstab", text);
};

/** What mounts the store in the new system. */
const STORE_MOUNT: Cases = {
  ...Object.fromEntries(
    [
      "",
      "LABEL=linux /var/lib/docker btrfs subvol=/docker/,noatime 0 0\n",
      "LABEL=linux /var/lib/docker btrfs subvol=my\\040docker 0 0\n",
      "LABEL=linux /var btrfs subvol=/ 0 0\nLABEL=linux / btrfs x 0 0\n",
      "/mnt/docker /var/lib/docker none bind 0 0\n",
      "LABEL=linux /var/lib/docker ext4 defaults 0 0\n",
      "LABEL=other /var/lib/docker btrfs subvol=docker 0 0\n",
      "LABEL=linux /var/lib/docker btrfs defaults 0 0\n",
      "LABEL=linux /var/lib/docker btrfs noauto 0 0\n",
    ].map((text) => [JSON.stringify(text), fstab(text)]),
  ),
  "nothing, and no engine in the image": together(fstab(""), ({ image }) => {
    image.remove("usr/sbin/dockerd");
  }),
  "a unit, at another directory": together(
    fstab(""),
    daemonJson('{ "storage-driver": "btrfs", "data-root": "/srv/my-d/" }'),
    ({ layer }) => {
      layer.write("etc/systemd/system/srv-my\\x2dd.mount");
    },
  ),
  "the line of another directory": together(
    fstab("LABEL=linux /srv/d btrfs subvol=docker 0 0\n"),
    daemonJson('{ "storage-driver": "btrfs", "data-root": "/srv/d" }'),
  ),
};

/** Names that a shell, the kernel and fstab would split. */
const NAMES: Cases = {
  "not mounted here, nor in the new system": together(fstab(""), (machine) => {
    machine.mounts.pop();
    const options = OPTIONS.replace(
      "docker_path=docker",
      '"docker_path=a b"',
    ).replace("root=LABEL=linux", '"root=LABEL=my disk"');
    setOptions(machine, options);
    setMenu(machine, { options });
  }),
};

const OPTION: Cases = {
  "only the initramfs can tell which image": (machine) => {
    const options = OPTIONS.replace("docker_image=one:1", "");
    machine.system.remove("etc/dockroot.json");
    machine.system.remove("boot/initrd.img");
    setOptions(machine, options);
    setMenu(machine, { options });
  },
  "an option that is not valid": (machine) => {
    setMenu(machine, { options: `${OPTIONS} docker_tag=2` });
  },
  "rw is missing, another option is given twice": (machine) => {
    setMenu(machine, {
      options: `docker_path=other ${OPTIONS.replace(" rw ", " ")}`,
    });
  },
  "the configuration is not valid": ({ system }) => {
    system.write("etc/dockroot.json", "{");
  },
  "the configuration has a key that is not known": ({ system }) => {
    system.write("etc/dockroot.json", '{ "docker_imaeg": "one" }');
  },
  "a former root": (machine) => {
    const root = ".dockroot/docker_rwlayer/generations/3";
    addGeneration(machine, root);
    const options = OPTIONS.replace("subvol=docker_rwlayer", `subvol=${root}`);
    setOptions(machine, options);
    setMenu(machine, { options });
  },
  "an earlier root, and no driver is named": (machine) => {
    const root = ".dockroot/docker_rwlayer/generations/3";
    addGeneration(machine, root);
    machine.system.remove("etc/docker/daemon.json");
    const options = OPTIONS.replace("subvol=docker_rwlayer", `subvol=${root}`);
    setOptions(machine, options);
    setMenu(machine, { options });
  },
  "a program is too old, another is absent": ({ versions }) => {
    versions.cp = "cp (GNU coreutils) 8.1\n";
    versions.flock = undefined;
    versions.cat =
      "BusyBox v1.35.0 (Debian 1:1.35.0-4+b3) multi-call binary.\n";
  },
  "the same where no image boots": together(withoutBoot, ({ versions }) => {
    versions.cp = "cp (GNU coreutils) 8.1\n";
  }),
};

/** An image in the making: the system here is the captured image. */
const ELSEWHERE: Cases = {
  "a container": elsewhere,
};

type Machine = Parameters<typeof makeDoctorMachine>;

const GROUPS: Readonly<
  Record<string, readonly [Cases, engine?: Machine[1], store?: Machine[2]]>
> = {
  "kernel and initramfs of an entry": [ENTRIES],
  "the image": [IMAGE],
  "room on the disk and on boot partitions": [ROOM],
  "who can log in": [LOGINS],
  "who is logged in without being asked": [AUTOMATIC_LOGINS],
  "where the engine keeps images": [ENGINE],
  "containerd's store": [CONTAINERD, "containerd"],
  "Podman's store": [PODMAN, "podman"],
  "what mounts the store in the new system": [STORE_MOUNT],
  "names with spaces": [NAMES, "docker", "a b"],
  "options, configuration, programs": [OPTION],
  "not the running system": [ELSEWHERE],
};

function formatFinding({ severity, subject, message, remedy }: Finding) {
  const lines = [`${severity} ${subject}: ${message}`];
  if (remedy !== null) lines.push(`    ${remedy}`);
  return `${lines.join("\n")}\n`;
}

const expected = new ExpectedTexts(
  path.join(import.meta.dirname, "expected/machine-debian-12.txt"),
);

function hold(
  t: Test,
  title: string,
  machine: DoctorMachine,
  findings: readonly Finding[],
): void {
  const text = findings.map(formatFinding).join("");
  expected.hold(t, title, text.replaceAll(machine.system.at, ""));
}

/** What is found on machines of which nothing is changed: elsewhere what differs is enough. */
const usual = new Map<string, ReadonlySet<string>>();

for (const [group, [cases, engine, store]] of Object.entries(GROUPS)) {
  await t.test(group, async (t) => {
    const scratch = t.testdir();
    const make = (name: string) =>
      makeDoctorMachine(path.join(scratch, name), engine, store);
    const place = `${engine ?? "docker"} ${store ?? ""}`;
    let known = usual.get(place);
    if (known === undefined) {
      const unchanged = make("unchanged");
      const { findings } = await examine(unchanged);
      hold(t, `${group}: nothing is changed`, unchanged, findings);
      known = new Set(findings.map(formatFinding));
      usual.set(place, known);
    }
    for (const [index, [title, change]] of Object.entries(cases).entries()) {
      const machine = make(String(index));
      change(machine);
      const { findings } = await examine(machine);
      const others = findings.filter((one) => !known.has(formatFinding(one)));
      hold(t, `${group}: ${title}`, machine, others);
    }
  });
}

expected.end(t);

t.test("for people: the worst first, the good in short", async (t) => {
  const machine = makeDoctorMachine(t.testdir());
  machine.image.remove(`usr/lib/modules/${KERNEL}`);
  setMenu(machine, { initrd: "/gone\u001b[2J" });
  lock(machine);
  const style = (format: unknown, text: string) =>
    `<${String(format)}>${text}</>`;
  const text = formatReport(await examine(machine), { style });
  t.match(
    text,
    /^<bold,red>would stop a boot: kernel: the image one:1 has no modules.*<\/>\n {2}what to do: Install a kernel /,
  );
  t.match(
    text,
    /^ok +boot-entries +1 of the 2 that were found boot an image$/m,
  );
  t.match(text, "/gone\\x1b[2J");
  t.match(text, /\n\n<bold,red>2 things would stop a boot<\/>\n$/);
  t.notMatch(text, "\u001b");
});
