import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import t from "tap";
import { ExpectedTexts } from "../expected-texts.ts";
import type { CheckedEntry } from "../../../installer/toplayer/rules/check-facts.ts";
import {
  findProblems,
  reportEntry,
} from "../../../installer/toplayer/rules/find-problems.ts";
import {
  foldEntries,
  formatCheck,
} from "../../../installer/toplayer/rules/format-check.ts";
import { MERGE_RULES } from "../../../installer/toplayer/rules/entry-rules.ts";
import {
  applyRules,
  type Problem,
} from "../../../installer/toplayer/rules/problem.ts";
import {
  copyMachine,
  gatherMachine,
  type CapturedMachine,
  type Tree,
} from "./captured-machine.ts";

type Cases = Readonly<Record<string, (machine: CapturedMachine) => void>>;

const merge =
  (directory: string, own: number, uid = 0, gid = 0, ofImage = 0o755) =>
  ({ image, layer }: CapturedMachine) => {
    image.directory(directory, { mode: ofImage });
    layer.directory(directory, { mode: own, uid, gid });
  };

/** Directories that close or open the image's. */
const DIRECTORIES: Cases = {
  "etc closed": merge("etc", 0o700),
  "etc closed to others but for names": merge("etc", 0o754),
  "usr/lib closed": merge("usr/lib", 0o750),
  "a directory that few programs need is closed": merge("etc/ssl", 0o700),
  "etc of a person": merge("etc", 0o755, 1000),
  "another directory of a person": merge("srv/www", 0o755, 1000),
  "etc written by all": merge("etc", 0o777),
  "sticky, written by all": merge("srv/up", 0o1777),
  "etc written by root's group": merge("etc", 0o775),
  "etc written by a group": merge("etc", 0o775, 0, 1000),
  "written by the group that the image names": ({ image, layer }) => {
    image.directory("srv", { mode: 0o2775, gid: 50 });
    layer.directory("srv", { mode: 0o2775, gid: 50 });
  },
  "written by another group": ({ image, layer }) => {
    image.directory("srv", { mode: 0o2775, gid: 50 });
    layer.directory("srv", { mode: 0o2775, gid: 51 });
  },
  "root's home opened": merge("root", 0o755, 0, 0, 0o700),
  "root's home as tight in another way": merge("root", 0o700, 0, 0, 0o550),
  "closed, but a later layer opens it again": ({ layer, second }) => {
    layer.set("etc", { mode: 0o700 });
    second.directory("etc");
  },
  "a new directory is its owner's": ({ layer }) => {
    layer.directory("opt/new", { mode: 0o700 });
  },
};

/** Files of the system that belong to people. */
const OWNERS: Cases = {
  "a file of the system": ({ layer }) => {
    layer.write("etc/profile", "", { uid: 1000 });
  },
  "a new directory of the system": ({ layer }) => {
    layer.directory("etc/pam.d", { uid: 1000 });
  },
  "a program": ({ layer }) => {
    layer.write("usr/local/bin/x", "", { uid: 1000 });
  },
  "a service's own": ({ layer }) => {
    layer.directory("etc/polkit-1/rules.d", { uid: 102 });
  },
  "what is not the system's": ({ layer }) => {
    layer.write("home/alice/.profile", "", { uid: 1000 });
    layer.write("srv/git/x", "", { uid: 1000 });
  },
  "another layer takes its place": ({ layer, second }) => {
    layer.write("etc/profile", "", { uid: 1000 });
    second.write("etc/profile");
  },
  "a whiteout has no owner": ({ layer }) => {
    layer.write("etc/opaque/.wh..wh..opq", "", { uid: 1000 });
  },
};

const key = (file: string, mode: number) => (machine: CapturedMachine) => {
  machine.layer.write(file, "", { mode });
};

/** Secrets that others can read or change. */
const SECRETS: Cases = {
  "shadow read by all": ({ layer }) => {
    layer.set("etc/shadow", { mode: 0o644 });
  },
  "a copy of gshadow read by all": key("etc/gshadow-", 0o644),
  "a host key read by all": key("etc/ssh/ssh_host_rsa_key", 0o644),
  "a public host key": key("etc/ssh/ssh_host_rsa_key.pub", 0o644),
  "a person's key read by all": key("root/.ssh/id_ed25519", 0o644),
  "in a directory that is closed": (machine) => {
    machine.layer.directory("root", { mode: 0o700 });
    machine.layer.write("root/.ssh/id_ed25519");
  },
  "a key by its content": ({ layer }) => {
    layer.write("etc/tls.key", "-----BEGIN EC PRIVATE KEY-----\n");
  },
  "a public key by its content": ({ layer }) => {
    layer.write("etc/apt/repository.key", "-----BEGIN PGP PUBLIC KEY BLOCK\n");
    layer.write("etc/ssl/cert.pem", "-----BEGIN CERTIFICATE-----\n");
  },
  "WireGuard's key for networkd": ({ layer }) => {
    layer.write("etc/systemd/network/wg.netdev", "[WireGuard]\nPrivateKey=x\n");
    layer.write("etc/systemd/network/br.netdev", "[NetDev]\nKind=bridge\n");
  },
  "the same, where networkd has no group": ({ layer }) => {
    layer.edit("etc/group", (text) =>
      text.replace(/^systemd-network:.*\n/m, ""),
    );
    layer.write("etc/systemd/network/wg.netdev", "PrivateKey=x\n");
  },
  "passwords of netplan": ({ layer }) => {
    layer.write("etc/netplan/wifi.yaml", 'home:\n  password: "secret"\n');
    layer.write("etc/netplan/cable.yaml", "eth0:\n  dhcp4: true\n");
  },
  "keys of disks, wireless and virtual networks": ({ layer }) => {
    layer.write("etc/cryptsetup-keys.d/data.key");
    layer.write("var/lib/iwd/work.8021x");
    layer.write("etc/openvpn/a.ovpn", "<key>\n-----BEGIN PRIVATE KEY-----\n");
    layer.write("etc/openvpn/b.ovpn", "remote example.org\n");
  },
  "shadow written by its group": ({ layer }) => {
    layer.set("etc/shadow", { mode: 0o620, gid: 0 });
  },
  "shadow of a person": ({ layer }) => {
    layer.set("etc/shadow", { mode: 0o600, uid: 1000 });
  },
  "a rule of sudo of a service": ({ layer }) => {
    layer.write("etc/sudoers.d/me", "", { mode: 0o640, uid: 102 });
  },
  "passwd written by all": ({ layer }) => {
    layer.set("etc/passwd", { mode: 0o666 });
  },
  "passwd read by root alone": ({ layer }) => {
    layer.set("etc/passwd", { mode: 0o600 });
  },
  "a setuid program": key("usr/bin/su", 0o4755),
  "a secret that another layer replaces": ({ layer, second }) => {
    layer.set("etc/shadow", { mode: 0o644 });
    const text = fs.readFileSync(path.join(layer.at, "etc/shadow"), "utf8");
    second.write("etc/shadow", text, { mode: 0o600 });
  },
  "shadow read by the group 43": ({ layer }) => {
    layer.set("etc/shadow", { mode: 0o640, gid: 43 });
  },
  "shadow read by a group where there is no group shadow": ({ layer }) => {
    layer.edit("etc/group", (text) => text.replace(/^shadow:.*\n/m, ""));
    layer.set("etc/shadow", { mode: 0o640, gid: 42 });
  },
  "a name that a shell would read": key("etc/a; b'$(c).keyfile", 0o644),
};

const edit =
  (file: string, change: (text: string) => string) =>
  ({ layer }: CapturedMachine) => {
    layer.edit(`etc/${file}`, change);
  };

const replace = (file: string, pattern: RegExp, by: string) =>
  edit(file, (text) => text.replace(pattern, by));

/** The layer brings one of the files alone. */
const alone = (files: readonly string[], change?: (layer: Tree) => void) =>
  (({ layer }) => {
    for (const name of ["passwd", "group", "shadow", "gshadow"]) {
      if (!files.includes(name)) layer.remove(`etc/${name}`);
    }
    change?.(layer);
  }) satisfies Cases[string];

/** Accounts that lock out, or do not fit. */
const ACCOUNTS: Cases = {
  "passwd alone, with a user that shadow and group do not have": alone([
    "passwd",
  ]),
  "passwd without root": replace("passwd", /^root:.*\n/m, ""),
  "root with another number": replace("passwd", /^root:x:0:/m, "root:x:7:"),
  "another root": edit("passwd", (text) => `${text}toor:*:0:0::/:/bin/sh\n`),
  "a system user with another number": replace(
    "passwd",
    /^messagebus:x:\d+:/m,
    "messagebus:x:75:",
  ),
  "a system user with another name": replace("passwd", /^messagebus:/m, "bus:"),
  "two names for a number": edit("passwd", (text) =>
    text.replace(/^alice:/m, "ubuntu:x:1000:1000::/:/bin/sh\nalice:"),
  ),
  "two names for a group's number": edit(
    "group",
    (text) => `${text}ubuntu:x:1000:\n`,
  ),
  "two names for a number in the image": ({ image, layer }) => {
    for (const tree of [image, layer]) {
      tree.edit("etc/passwd", (text) => `${text}mail2:x:8:8::/:/bin/false\n`);
      tree.edit("etc/shadow", (text) => `${text}mail2:!:::::::\n`);
    }
  },
  "a person without a line in shadow": replace("shadow", /^alice:.*\n/m, ""),
  "a service without a line in shadow": replace("shadow", /^mail:.*\n/m, ""),
  "a shell that is not there": replace(
    "passwd",
    /^(alice:.*:)\S+$/m,
    "$1/bin/zsh",
  ),
  "a shell that refuses": replace(
    "passwd",
    /^(alice:.*:)\S+$/m,
    "$1/usr/bin/nologin",
  ),
  "a shell that the layer brings": ({ layer }) => {
    layer.edit("etc/passwd", (text) =>
      text.replace(/^(alice:.*:)\S+$/m, "$1/bin/zsh"),
    );
    layer.write("usr/bin/zsh", "", { mode: 0o755 });
  },
  "a shell that the layer removes": ({ layer }) => {
    layer.write("usr/bin/.wh.bash", "");
  },
  "an empty password": replace("shadow", /^alice:[^:]*/m, "alice:"),
  "nobody has a password": edit("shadow", (text) =>
    text.replaceAll(/^(\w+):\$[^:]*/gm, "$1:*"),
  ),
  "a password in passwd": replace("passwd", /^root:x:/m, "root:$$6$$a$$b:"),
  "a system group with another number, and members that nobody is": edit(
    "group",
    (text) =>
      text
        .replace(/^messagebus:x:\d+:/m, "messagebus:x:75:")
        .replace(/^root:x:0:/m, "root:x:0:carol"),
  ),
  "a system group with another name": replace("group", /^audio:/m, "sound:"),
  "a line that is none": edit("shadow", (text) => `${text}nonsense\n`),
  "shadow alone, of users that are not there": alone(["shadow"]),
  "group alone": alone(["group"]),
  "no accounts at all": alone([]),
  "shadow is removed": ({ layer }) => {
    layer.remove("etc/shadow");
    layer.write("etc/.wh.shadow", "");
  },
  "passwd is a link": ({ layer }) => {
    layer.remove("etc/passwd");
    layer.link("etc/passwd", "group");
  },
  "passwd is a FIFO": ({ layer }) => {
    layer.remove("etc/passwd");
    layer.fifo("etc/passwd");
  },
  "group is far too large": ({ layer }) => {
    layer.write("etc/group", "#".repeat(1024 * 1024 + 1));
  },
  "the image's shadow is no file": ({ image, layer }) => {
    image.remove("etc/shadow");
    image.directory("etc/shadow");
    layer.remove("etc/shadow");
  },
};

const fstab =
  (line: string, crypttab?: string) => (machine: CapturedMachine) => {
    const { image, layer } = machine;
    layer.write("etc/fstab", `${line}\n`);
    if (line.includes("/home")) layer.write("home/alice/file");
    for (const name of ["var/lib/dpkg/status", "opt/app/run", "var/log/x"]) {
      image.write(name);
    }
    image.directory("srv/www");
    if (crypttab === undefined) return;
    layer.write("etc/crypttab", `${crypttab}\n`, { mode: 0o600 });
    layer.write("etc/keys/there.key", "", { mode: 0o600 });
  };

const DATA = "/dev/mapper/data /data ext4 defaults 0 0";

/** Lines of an fstab. */
const FSTAB: Cases = {
  ...Object.fromEntries(
    [
      "LABEL=linux / btrfs subvol=/docker_rwlayer 0 0",
      "LABEL=linux / btrfs subvol=@ 0 0",
      "LABEL=linux / btrfs subvolid=256 0 0",
      "LABEL=other / btrfs defaults 0 0",
      "LABEL=linux / ext4 defaults 0 0",
      "UUID=absent / btrfs defaults 0 0",
      "LABEL=x /usr ext4 defaults 0 0",
      "LABEL=x /usr ext4 noauto 0 0",
      "LABEL=x /home ext4 defaults 0 0",
      "LABEL=x /mnt btrfs subvolid=5 0 0",
      "LABEL=x /mnt",
      "/swapfile none swap sw 0 0",
      "LABEL=x /usr ext4 noauto,x-systemd.automount 0 0",
      "LABEL=x /var btrfs subvol=/@var 0 0",
      "LABEL=x /var/lib btrfs noauto 0 0",
      "LABEL=x /opt btrfs noauto,nofail,x-systemd.automount 0 0",
      "/srv/opt /opt/app none bind 0 0",
      "LABEL=x /srv btrfs subvol=/@srv 0 0",
      "LABEL=x /var/log btrfs subvol=/@log 0 0",
      DATA,
      "/dev/mapper/data /data ext4 noauto 0 0",
      "/dev/mapper/data /data ext4 nofail 0 0",
      "/dev/mapper/swap none swap sw 0 0",
      "/dev/mapper/luks-1-2 /data btrfs defaults 0 0",
      "/dev/mapper/cryptroot /data btrfs defaults 0 0",
      "/dev/mapper/vg-data /data ext4 defaults 0 0",
    ].map((line) => [line, fstab(line)]),
  ),
  "a line of crypttab opens it": fstab(DATA, "data UUID=1 none luks"),
  "a line of crypttab opens it when asked": fstab(DATA, "data UUID=1 - noauto"),
  "a line of crypttab opens another": fstab(DATA, "# data x\nother UUID=1"),
  "a key that is there": fstab(DATA, "data UUID=1 /etc/keys/there.key luks"),
  "a key that is not there": fstab(DATA, "data UUID=1 /etc/keys/data.key luks"),
  "a key elsewhere": fstab(DATA, "data UUID=1 /data.key:LABEL=usb luks"),
  "a random key": fstab(DATA, "data UUID=1 /dev/urandom swap"),
};

/** What the merge does that is not expected. */
const MERGE: Cases = {
  "a file that cannot be read": key("unreadable", 0o644),
  "a whiteout without a name": key(".wh.", 0o644),
  "a whiteout of nothing": key(".wh.nothing", 0o644),
  "a whiteout of a file": key("etc/.wh.passwd-", 0o644),
  "a whiteout of what is there": ({ image, layer }) => {
    image.write("etc/motd");
    layer.write("etc/.wh.motd");
  },
  "a file in place of a link": ({ image, layer }) => {
    image.link("etc/mtab", "/proc/mounts");
    layer.write("etc/mtab");
  },
  "a file in place of a directory": ({ image, layer }) => {
    image.directory("opt/x");
    layer.write("opt/x");
  },
  "a file in place of usr/lib": ({ layer }) => {
    layer.write("usr/lib");
  },
  "a directory in place of a FIFO": ({ image, layer }) => {
    image.fifo("x");
    layer.directory("x");
  },
  "a kernel": key("vmlinuz-6.1", 0o644),
  "an initramfs in boot": key("boot/initrd.img", 0o644),
  "the boot loader's directory": key("EFI/x.efi", 0o644),
  "modules through a link": key("lib/modules/6.1/x.ko", 0o644),
  "a file that is called like a kernel": key("etc/vmlinuz", 0o644),
  "an empty machine ID": edit("machine-id", () => ""),
  "a machine ID for the first boot": edit(
    "machine-id",
    () => "uninitialized\n",
  ),
  "no machine ID": ({ image, layer }) => {
    image.write("usr/lib/systemd/systemd");
    layer.remove("etc/machine-id");
  },
  "no machine ID where nothing makes one": ({ layer }) => {
    layer.remove("etc/machine-id");
  },
  "a machine ID for the first boot in the image": ({ image, layer }) => {
    image.write("usr/lib/systemd/systemd");
    image.write("etc/machine-id", "uninitialized\n");
    layer.remove("etc/machine-id");
  },
  "an empty machine ID in the image": ({ image, layer }) => {
    image.write("usr/lib/systemd/systemd");
    image.write("etc/machine-id", "");
    layer.remove("etc/machine-id");
  },
  "half a machine ID": edit("machine-id", () => "0123\n"),
  "a filesystem without owners": (machine) => {
    machine.isOwnerless = true;
    machine.layer.set("etc/shadow", { mode: 0o777, uid: 1000 });
  },
};

const ALL: Readonly<Record<string, Cases>> = {
  "directories that close or open the image's": DIRECTORIES,
  "files of the system that belong to people": OWNERS,
  "secrets that others can read or change": SECRETS,
  "accounts that lock out, or do not fit": ACCOUNTS,
  "lines of an fstab": FSTAB,
  "what the merge does that is not expected": MERGE,
};

/** What does not hang on how a system has made its accounts is tried on one machine. */
const MACHINES: Readonly<Record<string, typeof ALL>> = {
  "machine-debian-12": ALL,
  "machine-sysusers-252": Object.fromEntries(
    Object.entries(ALL).filter(([, cases]) =>
      [ACCOUNTS, SECRETS].includes(cases),
    ),
  ),
};

for (const [name, groups] of Object.entries(MACHINES)) {
  const expected = new ExpectedTexts(
    path.join(import.meta.dirname, `expected/${name}.txt`),
  );
  const held = async (
    scratch: string,
    title: string,
    change: (machine: CapturedMachine) => void,
  ) => {
    const machine = copyMachine(name, scratch);
    change(machine);
    const problems = findProblems(await gatherMachine(machine));
    expected.hold(t, title, problems.map(formatProblem).join(""));
  };
  await t.test(
    `${name}: nothing is wrong with what programs made`,
    async (t) => {
      const facts = await gatherMachine(copyMachine(name, t.testdir()));
      t.strictSame(findProblems(facts), []);
      t.ok(facts.entries.length > 10);
    },
  );
  for (const [group, cases] of Object.entries(groups)) {
    await t.test(`${name}: ${group}`, async (t) => {
      const scratch = t.testdir();
      for (const [index, [title, change]] of Object.entries(cases).entries()) {
        await held(path.join(scratch, String(index)), title, change);
      }
    });
  }
  await t.test(`${name}: a socket`, async (t) => {
    const machine = copyMachine(name, t.testdir());
    machine.layer.directory("run");
    const server = net.createServer();
    t.teardown(() => server.close());
    // The name of a socket is short: it is told from where it is.
    const cwd = process.cwd();
    process.chdir(path.join(machine.layer.at, "run"));
    await new Promise<void>((resolve) => server.listen("socket", resolve));
    process.chdir(cwd);
    const [problem] = findProblems(await gatherMachine(machine));
    t.match(problem, { rule: "socket", level: "warning", path: "/run/socket" });
  });
  expected.end(t);
}

function formatProblem({ level, rule, layer, path, ...problem }: Problem) {
  const where = layer === null ? "" : ` (${String(layer)}:${path ?? ""})`;
  return `${level} ${rule}${where}: ${problem.message}\n    ${problem.remedy}\n`;
}

const entryOf = (
  file: string,
  changes: Partial<CheckedEntry> = {},
): CheckedEntry => ({
  layer: 0,
  path: file,
  target: file,
  kind: "file",
  effect: "add",
  through: null,
  replaced: null,
  ofImage: undefined,
  isCovered: false,
  isNocow: false,
  refused: undefined,
  holdsSecret: false,
  attributes: { mode: 0o644, uid: 0, gid: 0, sizeBytes: 1 },
  ...changes,
});

t.test("ten thousand entries become a few lines", async (t) => {
  const numbers = Array.from({ length: 10_000 }, (_, number) => String(number));
  const directory = { kind: "directory" } as const;
  const entries = [
    entryOf("/opt", { ...directory, effect: "merge" }),
    entryOf("/opt/new", directory),
    entryOf("/opt/new/deep", directory),
    ...numbers.map((number) => entryOf(`/opt/new/deep/${number}`)),
    entryOf("/srv", { ...directory, effect: "merge" }),
    ...numbers.map((number) =>
      entryOf(`/srv/${number}`, { effect: "replace", replaced: "file" }),
    ),
    entryOf("/srv/link", { kind: "symlink" }),
  ].map(reportEntry);
  t.strictSame(
    foldEntries(entries).map(({ entry, count }) => [entry.path, count]),
    [
      ...[
        ["/opt", 1],
        ["/opt/new", 10_002],
        ["/srv", 1],
      ],
      ...[
        ["/srv/0", 10_000],
        ["/srv/link", 1],
      ],
    ],
  );
});

t.test("names cannot write on the terminal", async (t) => {
  const report = {
    ...({ version: 1, image: { reference: "i:1", id: "sha256:0" } } as const),
    layers: ["/la\u001b[2Jyer"],
    entries: [entryOf("/\u001b[2J\nadd  /etc")].map(reportEntry),
    problems: applyRules(MERGE_RULES, [
      entryOf("/\u001b[2J", { refused: "EIO" }),
    ]),
  };
  const text = formatCheck(report, false, { style: (_, text) => text });
  t.notMatch(text, "\u001b");
  t.match(text, /^ {2}add {2}\/\\x1b\[2J\\nadd {2}\/etc$/m);
});
