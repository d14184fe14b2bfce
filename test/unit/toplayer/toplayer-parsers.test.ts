import t from "tap";
import {
  parseGroup,
  parsePasswd,
  parseShadow,
  isPassword,
} from "../../../installer/system/formats/parse-accounts.ts";
import {
  escapeFstab,
  parseFstab,
  locate,
} from "../../../installer/system/formats/fstab.ts";
import {
  formatMachineId,
  isMachineId,
} from "../../../installer/system/formats/machine-id.ts";
import { parseMountinfo } from "../../../runtime/disk/mounts.ts";

t.test("users as passwd has them", async (t) => {
  const { entries, odd } = parsePasswd(
    "root:x:0:0:root:/root:/bin/bash\n# a comment\n\n+::::::\n_apt:x:42:65534::/nonexistent:/usr/sbin/nologin\nhost$:*:1001:1001:a b,,,:/home/a b:\n",
  );
  t.match(entries, [
    { name: "root", password: "x", uid: 0, gid: 0, shell: "/bin/bash" },
    { name: "_apt", uid: 42, gid: 65534 },
    { name: "host$", uid: 1001, home: "/home/a b", shell: "" },
  ]);
  t.strictSame(odd, []);
});

t.test("odd lines are told and not taken", async (t) => {
  const lines = [
    ["root:x:0:0:root:/root", "it has 6 fields instead of 7"],
    ["root", "it has 1 field instead of 7"],
    ["ok:x:1:1::/:/bin/sh", undefined],
    ["ok:x:2:2::/:/bin/sh", "ok has an earlier line"],
    [":x:0:0::/:", '"" is not a valid name'],
    ["a b:x:0:0::/:", '"a b" is not a valid name'],
    ["minus:x:-1:0::/:", '"-1" is not a user ID'],
    ["hex:x:0x0:0::/:", '"0x0" is not a user ID'],
    ["big:x:4294967295:0::/:", '"4294967295" is not a user ID'],
    ["group:x:1:1e3::/:", '"1e3" is not a group ID'],
    [
      "dos:x:1:1::/:/bin/sh\r",
      "it ends with a carriage return, as lines of Windows do",
    ],
    ["__proto__:x:5:5::/:", undefined],
    ["constructor:x:5:5::/:", undefined],
    ["3d.print:x:5:5::/:", undefined],
    ["1000:x:5:5::/:", '"1000" is not a valid name'],
    ["..:x:5:5::/:", '".." is not a valid name'],
    ["\u0000:x:0:0::/:", '"\u0000" is not a valid name'],
  ] as const;
  const { entries, odd } = parsePasswd(lines.map(([line]) => line).join("\n"));
  t.strictSame(
    odd,
    lines.flatMap(([, why], index) =>
      why === undefined ? [] : [{ number: index + 1, why }],
    ),
  );
  t.strictSame(
    entries.map(({ name }) => name),
    ["ok", "__proto__", "constructor", "3d.print"],
  );
});

t.test("groups and shadow lines", async (t) => {
  t.match(parseGroup("sudo:x:27:alice,bob,\nempty:x:5:\n").entries, [
    { name: "sudo", gid: 27, members: ["alice", "bob"] },
    { name: "empty", gid: 5, members: [] },
  ]);
  t.match(parseShadow("root:$6$a$b:20000:0:99999:7:::\n").entries, [
    { name: "root", password: "$6$a$b" },
  ]);
  t.match(parseShadow("root:x:0:0::/root:/bin/sh\n").odd, [{ number: 1 }]);
  for (const hash of ["$6$a$b", "$y$j9T$a$b", "_J9..rasm", "rl.3StKT.4T8M"]) {
    t.ok(isPassword(hash), hash);
  }
  for (const lock of [undefined, "", "x", "*", "!", "!!", "!$6$a$b", "*LK*"]) {
    t.notOk(isPassword(lock), String(lock));
  }
});

t.test("an fstab", async (t) => {
  const { entries, odd } = parseFstab(
    'LABEL="my disk"\n# comment\n\nUUID=a\t/home/  btrfs  subvol=@home,subvolid=257 0 2\n//server/share /mnt/a\\040b cifs ro # why\n/swapfile none swap sw 0 0\nx / ext4\n',
  );
  t.match(entries, [
    { line: 4, source: "UUID=a", mountPoint: "/home", fsType: "btrfs" },
    { line: 5, mountPoint: "/mnt/a b", options: ["ro"] },
    { line: 6, mountPoint: "none", fsType: "swap" },
    { line: 7, mountPoint: "/", options: ["defaults"] },
  ]);
  t.strictSame(odd, [{ line: 1, why: "it has 2 of 6 fields" }]);
  for (const [line, why] of [
    ["/dev/sda1", /1 of 6 fields/],
    ["a /my disk ext4 defaults 0 0", /7 fields instead of 6/],
    ["a / ext4 defaults zero 0", /are not numbers/],
    ["a / ext4 defaults 0 0\r", /Windows/],
  ] as const) {
    t.match(parseFstab(line).odd, [{ line: 1, why }], line);
  }
  t.equal(
    parseFstab(`a ${escapeFstab("/a b\\#")} x`).entries[0]?.mountPoint,
    "/a b\\#",
  );
});

t.test("what is the ID of a machine", async (t) => {
  const id = formatMachineId(Buffer.alloc(16, 0xff));
  t.equal(id, "ffffffffffff4fffbfffffffffffffff\n");
  t.ok(isMachineId(id));
  for (const text of [
    ...["", "\n", "uninitialized\n", "0".repeat(32), `${id}more`, ` ${id}`],
    ...[id.slice(1), "ffffffff-ffff-4fff-bfff-ffffffffffff\n"],
  ]) {
    t.notOk(isMachineId(text), JSON.stringify(text));
  }
});

t.test("where a directory is, whatever the order of the mounts", async (t) => {
  const mounts = parseMountinfo(
    [
      "1 0 0:2 / /run rw - tmpfs tmpfs rw",
      "2 0 0:3 /docker_rwlayer / rw - btrfs /dev/vda2 rw",
      "3 2 0:3 /docker /var/lib/docker rw - btrfs /dev/vda2 rw",
    ].join("\n"),
  );
  t.match(locate(mounts, "/var/lib/docker"), {
    mount: { source: "/dev/vda2", fsType: "btrfs" },
    path: "docker",
  });
  t.equal(locate(mounts, "/var/lib/docker/x")?.path, "docker/x");
  t.equal(
    locate(mounts, "/var/lib/dockerx")?.path,
    "docker_rwlayer/var/lib/dockerx",
  );
  t.equal(locate(mounts, "/run")?.mount.fsType, "tmpfs");
  t.equal(locate([], "/"), undefined);
});
