import t from "tap";
import {
  groupOf,
  isDivided,
  tellChange,
  type Group,
} from "../../../installer/diff/formats/group-changes.ts";
import type { Change } from "../../../installer/diff/formats/change.ts";
import {
  findNoise,
  hasNoiseBelow,
  NOISE,
} from "../../../installer/diff/formats/noise.ts";

const EXPECTED: Readonly<Record<Group, readonly string[]>> = {
  identity: [
    ...["/etc/passwd", "/etc/shadow", "/etc/machine-id", "/etc/hostname"],
    ...["/etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_rsa_key.pub"],
    "/etc/NetworkManager/system-connections/Home.nmconnection",
    ...["/etc/sudoers.d/ann", "/etc/wireguard/wg0.conf", "/var/lib/bluetooth"],
    ...[
      "/home/ann/.ssh/id_ed25519",
      "/root/.gnupg",
      "/etc/credstore.encrypted",
    ],
  ],
  configuration: [
    ...["/etc", "/etc/fstab", "/etc/ssh/sshd_config", "/usr/local/etc/x"],
    ...["/home/ann/.bashrc", "/root/.vimrc", "/home/ann/.config/x/y"],
  ],
  packages: [
    ...["/usr/bin/tool", "/usr/share/doc/x", "/lib64", "/boot/vmlinuz"],
    ...["/var/lib/dpkg/status", "/var/lib/flatpak/app/x"],
  ],
  data: [
    ...["/home/ann/letter", "/srv/www/index.html", "/opt/tool", "/root/x"],
    ...["/usr/local/bin/mine", "/var/lib/postgresql/15/main", "/var/www/x"],
  ],
  rest: ["/", "/mnt/x", "/etcetera", "/new"],
};

t.test("what would be regretted most comes first", async (t) => {
  for (const [group, paths] of Object.entries(EXPECTED)) {
    for (const path of paths) t.equal(groupOf(path), group, path);
  }
});

t.test(
  "a directory is told by what is in it where that is of several groups",
  async (t) => {
    for (const path of ["/home", "/home/ann", "/var", "/var/lib", "/etc/ssh"]) {
      t.ok(isDivided(path), path);
    }
    for (const path of ["/srv/www", "/home/ann/letters", "/opt", "/etc/skel"]) {
      t.notOk(isDivided(path), path);
    }
  },
);

t.test("a change is told with what is not UTF-8 replaced", async (t) => {
  const path = Buffer.from("etc/h\u00e9").toString("latin1");
  const change: Change = {
    ...{ path, kind: "added", type: "file" },
    ...{ aspects: [], files: 1, bytes: 5 },
  };
  t.match(tellChange(change), {
    ...{ shown: "/etc/h\u00e9", group: "configuration", noise: undefined },
  });
  t.match(tellChange({ ...change, path: "srv/\xff" }), {
    shown: "/srv/\ufffd",
  });
  t.match(tellChange({ ...change, path: "var/log/syslog" }), { noise: "logs" });
});

t.test("nobody's own work is noise", async (t) => {
  const paths = Object.values(EXPECTED).flat();
  for (const path of [
    ...paths.filter((path) => path !== "/"),
    ...["/etc/passwd", "/home/ann/.config", "/var/lib/docker-data"],
    ...["/var/lib/systemd/linger-not", "/etc/resolv.conf.d", "/var/logs/x"],
    ...["/home/.cache/x", "/home/ann/work/.cache", "/usr/share/mime"],
  ]) {
    t.equal(findNoise(path), undefined, path);
  }
});

t.test("what a system writes by itself is, with a reason", async (t) => {
  for (const path of [
    ...["/var/log/journal/1/system.journal", "/var/cache/apt/pkgcache.bin"],
    ...["/etc/ld.so.cache", "/etc/passwd-", "/home/ann/.cache/x/y", "/tmp/x"],
    ...["/var/lib/systemd/random-seed", "/var/lib/dhcp/dhclient.eth0.leases"],
    ...[
      "/var/lib/dpkg/status-old",
      "/usr/lib/x86_64-linux-gnu/gconv/gconv-modules.cache",
    ],
  ]) {
    t.ok(findNoise(path), path);
  }
  t.ok(hasNoiseBelow("/home/ann"));
  t.notOk(hasNoiseBelow("/home/ann/.cache"));
});

t.test("each noise is listed once, with a path that can be", async (t) => {
  t.equal(new Set(NOISE.map(({ path }) => path)).size, NOISE.length);
  for (const { path, why } of NOISE) {
    t.match(path, /^(?:\/[^/]+)+$/);
    t.ok(why, path);
    const example = path.replaceAll("*", "x");
    const others = NOISE.filter((noise) => noise.path !== path);
    const above = others.find((other) =>
      `${example}/`.startsWith(`${other.path}/`),
    );
    t.equal(above, undefined, `${path} is noise already`);
  }
});
