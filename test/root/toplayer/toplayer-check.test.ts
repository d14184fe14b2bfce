// runner: tier=first seconds=4
import fs from "fs-extra";
import path from "node:path";
import t from "tap";
import { run } from "../../../fixtures/run.ts";
import type { CheckReport } from "../../../installer/toplayer/rules/find-problems.ts";
import { compareListings, listTree } from "../../../fixtures/tree-listing.ts";
import { makeBootDisk } from "../boot-disk.ts";
import { withTimes } from "../failures.ts";
import { runInSystem, type PrivateSystem } from "../private-system.ts";

const IMAGE = String.raw`
cat >etc/passwd <<end
root:x:0:0::/root:/bin/sh
messagebus:x:81:81::/:/usr/sbin/nologin
sshd:x:74:74::/:/usr/sbin/nologin
end
printf 'root:x:0:\nshadow:x:42:\nmessagebus:x:81:\nsshd:x:74:\n' >etc/group
printf 'root:*:1::::::\nmessagebus:!:1::::::\nsshd:!:1::::::\n' >etc/shadow
mkdir -p usr/lib/sub usr/share/doc/a; echo doc >usr/share/doc/a/b
ln -s usr/lib libs; echo old >etc/motd
`;

/** Nothing is wrong with it. */
const GOOD = String.raw`
mkdir -p etc/ssh libs/new/deep usr/share/doc opt/tool
echo laptop >etc/hostname; echo new >etc/motd
echo 0123456789abcdef0123456789abcdef >etc/machine-id
printf 'root:$6$x$y:1::::::\nmessagebus:!:1::::::\nsshd:!:1::::::\n' >etc/shadow
chown 0:42 etc/shadow; chmod 0640 etc/shadow
echo secret >etc/ssh/ssh_host_ed25519_key; chmod 0600 etc/ssh/ssh_host_ed25519_key
echo 'LABEL=home /home btrfs defaults 0 0' >etc/fstab
touch libs/new/deep/file usr/share/doc/.wh.a
for number in 1 2 3; do echo x >opt/tool/$number; done
`;

/** All of it is wrong. */
const BAD = String.raw`
mkdir -p etc/ssh lib/modules/9.9/kernel usr/lib/sub; chmod 0700 etc; chown 1000 usr
echo uninitialized >etc/machine-id
echo 'messagebus:x:105:105::/:/usr/sbin/nologin' >etc/passwd
printf 'root:$6$x$y:1::::::\n' >etc/shadow; chmod 0644 etc/shadow
echo secret >etc/ssh/ssh_host_rsa_key; chmod 0644 etc/ssh/ssh_host_rsa_key
echo 'LABEL=other / ext4 subvolid=5 0 1' >etc/fstab
echo x >lib/modules/9.9/kernel/x.ko; echo x >vmlinuz; touch etc/.wh.nothing
rmdir usr/lib/sub; echo x >usr/lib/sub
`;

const disk = await makeBootDisk(t, "toplayer-check", async (tree) => {
  await run(["sh", "-ec", IMAGE], { cwd: tree });
});

const layers = path.join(disk.scratch, "layers");

for (const [name, script] of Object.entries({ good: GOOD, bad: BAD })) {
  fs.mkdirpSync(path.join(layers, name));
  await run(["sh", "-ec", script], { cwd: path.join(layers, name) });
}

const system: PrivateSystem = {
  etc: {},
  store: ["-o", "ro,subvol=docker", `LABEL=${disk.label}`],
};

const check = (...args: string[]) =>
  runInSystem(
    path.join(disk.scratch, "system"),
    system,
    ...["toplayer", "check", ...args],
  );

const checkAsData = (...args: string[]) => {
  const { status, stdout, stderr } = check(...args, "--json");
  if (stdout === "") throw new Error(stderr);
  return { status, report: JSON.parse(stdout) as CheckReport };
};

const good = path.join(layers, "good");

const bad = path.join(layers, "bad");

const problemsOf = ({ problems }: CheckReport, level: string) =>
  problems
    .filter((problem) => problem.level === level)
    .map(({ rule }) => rule)
    .toSorted();

await t.test("what each entry does, and nothing is wrong", async (t) => {
  const { status, stdout, stderr } = check(good, "--image", "system:1");
  t.equal(status, 0, stderr);
  t.strictSame(stdout.replaceAll(/ {2,}/g, "  ").split("\n").slice(3, -3), [
    "what it does to the image:",
    "  merge  /etc/",
    "  add  /etc/fstab",
    "  replace  /etc/hostname",
    "  add  /etc/machine-id",
    "  replace  /etc/motd",
    "  replace  /etc/shadow",
    "  add  /etc/ssh/  with all in it: 1 entry",
    "  merge  /libs/  -> /usr/lib, through the link /libs",
    "  add  /libs/new/  -> /usr/lib/new, through the link /libs, with all in it: 2 entries",
    "  add  /opt/  with all in it: 4 entries",
    "  merge  /usr/",
    "  merge  /usr/share/",
    "  merge  /usr/share/doc/",
    "  delete  /usr/share/doc/a  directory, by /usr/share/doc/.wh.a",
  ]);
  t.match(stdout, /\n\nnothing is wrong with it\n$/);
  t.match(
    check(good, "--image", "system:1", "--all").stdout,
    /^ {2}add +\/opt\/tool\/3$/m,
  );
});

await t.test(
  "what chattr +C has set, which no copy has, is told",
  async (t) => {
    await disk.look(async (top) => {
      const layer = `${top}/nocow`;
      fs.mkdirpSync(`${layer}/var/vm`);
      await run(["chattr", "+C", `${layer}/var/vm`]);
      fs.writeFileSync(`${layer}/var/vm/disk.img`, "x");
      const { report } = checkAsData(layer, "--image", "system:1");
      const found = report.problems.find(({ rule }) => rule === "nocow");
      t.match(found, {
        level: "warning",
        message: /: \/var\/vm, \/var\/vm\/disk\.img$/,
      });
    });
  },
);

await t.test("what is wrong, and what to do", async (t) => {
  const { status, report } = checkAsData(bad, "--image", "system:1");
  t.equal(status, 1);
  t.strictSame(problemsOf(report, "error"), [
    ...["directory-closed", "directory-owner", "fstab-root"],
    ...["passwd-missing", "passwd-numbers", "passwd-root"],
    ...["secret-readable", "secret-readable"],
  ]);
  t.strictSame(problemsOf(report, "warning"), [
    ...["group-of-user-missing", "host-key-group", "kernels", "machine-id"],
    ...["modules", "nobody-logs-in", "replaced", "shadow-idle"],
    ...["shadow-missing", "whiteout-idle"],
  ]);
  const { stdout } = check(bad, "--image", "system:1");
  t.match(
    stdout,
    /^error: \/etc has the mode 0700, the image's \/etc has 0755: .*\n {2}what to do: In the top layer's directory: chmod 0755 \.\/etc$/m,
  );
  t.match(stdout, /\n\n8 errors, 10 warnings\n$/);
});

await t.test("several layers, one over the other", async (t) => {
  const { status, report } = checkAsData(bad, good, "--image", "system:1");
  t.equal(status, 1);
  t.strictSame(report.layers, [bad, good]);
  t.match(
    report.entries.find(
      ({ layer, path: file }) => layer === 1 && file === "/etc/machine-id",
    ),
    { effect: "replace", target: "/etc/machine-id", replaced: "file" },
  );
  const errors = problemsOf(report, "error");
  t.notOk(errors.includes("directory-closed"), "the good one's /etc is later");
  t.notOk(errors.includes("fstab-root"), "and its fstab");
  t.ok(errors.includes("passwd-root"), "that is the bad one's alone");
});

await t.test("the layers and the image of the kernel options", async (t) => {
  await disk.look((top) => fs.copy(good, `${top}/layers/good`));
  await disk.look((top) => run(["cp", "-a", bad, `${top}/layers/`]));
  const device = `LABEL=${disk.label}`;
  const cmdline = `root=${device} rootflags=subvol=next docker_path=docker docker_image=system:1 toplayer=${device}`;
  const started = (paths: string, ...args: string[]) =>
    runInSystem(
      path.join(disk.scratch, "system"),
      { etc: {}, cmdline: `${cmdline} toplayer_path=${paths}` },
      ...["toplayer", "check", "--json", ...args],
    );
  const before = await disk.traces();
  const { status, stdout, stderr } = started("layers/bad:layers/good");
  t.equal(status, 1, stderr);
  const report = JSON.parse(stdout) as CheckReport;
  t.strictSame(report.layers, [
    `${device}:/layers/bad`,
    `${device}:/layers/good`,
  ]);
  t.equal(report.image.reference, "system:1");
  t.match(started("layers/nothing"), {
    ...{ status: 1, stdout: "" },
    stderr: /^dockroot: the top layer .* does not exist\n/,
  });
  t.strictSame(await disk.traces(), before, "nothing stays mounted");
  const left = fs.existsSync("/run/dockroot")
    ? fs.readdirSync("/run/dockroot")
    : [];
  t.notMatch(left.join("\n"), /dry-run/, "nor does a mount point");
});

await t.test("a root of the fstab is compared to the kernel options'", (t) => {
  const layer = path.join(layers, "roots");
  fs.mkdirpSync(`${layer}/etc`);
  const device = `LABEL=${disk.label}`;
  const cmdline = `root=${device} rootflags=subvol=next docker_path=docker docker_image=system:1`;
  for (const [line, wrong] of [
    [`${disk.device} / btrfs subvol=/next 0 0`, []],
    [`${device} / btrfs subvol=other 0 0`, ["fstab-root"]],
    [`${device} / btrfs defaults 0 0`, []],
    [`${device} /mnt btrfs subvolid=5 0 0`, ["fstab-subvolid"]],
    [`${device} /usr btrfs subvol=usr 0 0`, ["fstab-covers-image"]],
    [`LABEL=nowhere / btrfs subvol=next 0 0`, ["fstab-root"]],
  ] as const) {
    fs.writeFileSync(`${layer}/etc/fstab`, `${line}\n`);
    const { stdout, stderr } = runInSystem(
      path.join(disk.scratch, "system"),
      { ...system, cmdline },
      ...["toplayer", "check", layer, "--image", "system:1", "--json"],
    );
    t.equal(stderr, "");
    const { problems } = JSON.parse(stdout) as CheckReport;
    t.strictSame(
      problems.map(({ rule }) => rule),
      wrong,
      line,
    );
  }
  t.end();
});

await t.test("it changes nothing, neither in layer nor in image", async (t) => {
  const look = () => ({
    layer: listTree(bad, withTimes),
    disk: disk.look((top) => listTree(top, withTimes)),
  });
  const [before, diskBefore] = [look(), await look().disk];
  check(bad, good, "--image", "system:1");
  const [after, diskAfter] = [look(), await look().disk];
  t.strictSame(compareListings(after.layer, before.layer), []);
  t.strictSame(compareListings(diskAfter, diskBefore), []);
});

await t.test("of an fstab with thousands of roots a few are looked up", (t) => {
  const layer = path.join(layers, "many-roots");
  fs.mkdirpSync(`${layer}/etc`);
  const lines = Array.from(
    { length: 3000 },
    (_, n) => `UUID=${String(n)} / btrfs`,
  );
  fs.writeFileSync(
    `${layer}/etc/fstab`,
    [...lines, `${disk.device} / btrfs`].join("\n"),
  );
  const { stdout, stderr } = runInSystem(
    path.join(disk.scratch, "system"),
    {
      ...system,
      cmdline: `root=LABEL=${disk.label} rootflags=subvol=next docker_path=docker docker_image=system:1`,
    },
    ...["toplayer", "check", layer, "--image", "system:1", "--json"],
  );
  t.equal(stderr, "");
  const report = JSON.parse(stdout) as CheckReport;
  t.equal(problemsOf(report, "warning").length, 3001);
  t.end();
});

await t.test("what cannot be found is told", (t) => {
  for (const [args, message] of [
    [[good], /^dockroot: no image is named\n/],
    [
      [good, "--image", "gone"],
      /^dockroot: cannot find the image gone:latest in \/var\/lib\/docker\n[^]*there are|nearest/,
    ],
    [
      [good, "--image", "system:1", "--docker", "/nowhere"],
      /^dockroot: cannot find the image system:1 in \/nowhere\n[^]*what to do: Correct --store-path: /,
    ],
    [[`${good}/nothing`, "--image", "system:1"], / is absent\n/],
    // No image is named either: the directory comes first.
    [[`${good}/nothing`], / is absent\n/],
    [[], /^dockroot: the kernel options of this boot name no top layer\n/],
  ] as const) {
    const { status, stdout, stderr } = check(...args);
    t.equal(status, 1, stderr);
    t.equal(stdout, "");
    t.match(stderr, message);
    t.match(stderr, /^ {2}what to do: /m);
  }
  t.end();
});

await t.test("what is no file that can be checked is told", async (t) => {
  const layer = path.join(layers, "odd");
  fs.mkdirpSync(`${layer}/etc`);
  await run(["mkfifo", `${layer}/etc/passwd`]);
  fs.symlinkSync("/proc/nothing", `${layer}/etc/machine-id`);
  fs.writeFileSync(
    `${layer}/etc/fstab`,
    "LABEL=x /x ext4 defaults 0 0\n".repeat(40_000),
  );
  const { status, report } = checkAsData(layer, "--image", "system:1");
  t.equal(status, 0);
  t.strictSame(
    report.problems.map(({ rule, message }) => [rule, message]),
    [
      ["not-checked", "/etc/passwd is a FIFO: the accounts are not checked"],
      ["not-checked", "/etc/fstab is larger than 1 MiB: it is not checked"],
      ["not-checked", "/etc/machine-id is a symlink: it is not checked"],
    ],
  );
});

await t.test("an image whose accounts are no files is told", async (t) => {
  await disk.look(async (top) => {
    const subvolumes = path.join(top, "docker/btrfs/subvolumes");
    for (const name of fs.readdirSync(subvolumes)) {
      const image = path.join(subvolumes, name);
      if (!fs.existsSync(`${image}/etc/passwd`)) continue;
      await run(["btrfs", "property", "set", "-f", image, "ro", "false"]);
      fs.removeSync(`${image}/etc/passwd`);
      await run(["mkfifo", `${image}/etc/passwd`]);
    }
  });
  const { status, report } = checkAsData(good, "--image", "system:1");
  t.equal(status, 0);
  t.strictSame(
    report.problems.map(({ rule, message }) => [rule, message]),
    [
      [
        "not-checked",
        "the image's /etc/passwd is no file of at most 1 MiB: the accounts are not checked",
      ],
    ],
  );
});
