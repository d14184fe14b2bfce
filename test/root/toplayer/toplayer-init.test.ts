// runner: tier=first seconds=4
import fs from "fs-extra";
import path from "node:path";
import t, { type Test } from "tap";
import { run } from "../../../fixtures/run.ts";
import { makeBootDisk } from "../boot-disk.ts";
import { runInSystem, type PrivateSystem } from "../private-system.ts";

const IMAGE_ETC = {
  passwd:
    "root:x:0:0:root:/root:/bin/sh\nmessagebus:x:81:81::/:/usr/sbin/nologin\n",
  group: "root:x:0:\nsudo:x:27:\nshadow:x:42:\nmessagebus:x:81:\n",
  shadow: "root:*:19000:0:99999:7:::\nmessagebus:!:19000::::::\n",
  gshadow: "root:*::\nsudo:*::\nshadow:*::\nmessagebus:!::\n",
};

const disk = await makeBootDisk(t, "toplayer-init", (tree) => {
  for (const [name, text] of Object.entries(IMAGE_ETC)) {
    fs.writeFileSync(`${tree}/etc/${name}`, text);
  }
});

const MACHINE: PrivateSystem["etc"] = {
  fstab: `# / was on /dev/sda1
UUID=aaaa  /      ext4  errors=remount-ro  0 1
UUID=bbbb  /home  ext4  defaults           0 2
`,
  hostname: "laptop\n",
  "machine-id": "0123456789abcdef0123456789abcdef\n",
  passwd: `root:x:0:0:root:/root:/bin/bash
messagebus:x:105:110::/:/usr/sbin/nologin
alice:x:1000:1000:Alice:/home/alice:/bin/sh
bob:x:1001:100:Bob:/home/bob:/bin/sh
nobody:x:65534:65534::/:/usr/sbin/nologin
`,
  group:
    "root:x:0:\nwheel:x:10:alice\nsudo:x:28:alice\nusers:x:100:\nalice:x:1000:\n",
  shadow:
    "root:$6$root:20000:0:99999:7:::\nmessagebus:!:1::::::\nalice:$6$alice:20000:0:99999:7:::\nbob:!:20000::::::\n",
  gshadow: "root:*::\nalice:!::\n",
};
const system: PrivateSystem = {
  etc: MACHINE,
  store: ["-o", "subvol=docker", `LABEL=${disk.label}`],
};
const uuid = await run(["blkid", "-s", "UUID", "-o", "value", disk.device]);

const scratchOf = (name: string) => path.join(disk.scratch, name);
const read = (directory: string, name: string) =>
  fs.readFileSync(`${directory}/etc/${name}`, "utf8");

await t.test("a starting top layer, from machine and image", async (t) => {
  const directory = scratchOf("whole");
  const { status, stdout, stderr } = runInSystem(
    scratchOf("system"),
    system,
    ...["toplayer", "init", directory, "--yes", "--image", "system:1"],
  );
  t.equal(status, 0, stderr);
  t.equal(
    read(directory, "fstab"),
    `# The root is mounted by the kernel options: it has no line here.
# / was on /dev/sda1
UUID=bbbb  /home  ext4  defaults           0 2
# The image store: docker pull fetches the system of the next boot.
UUID=${uuid}  /var/lib/docker  btrfs  subvol=docker  0  0
`,
  );
  t.equal(read(directory, "hostname"), "laptop\n");
  t.equal(read(directory, "machine-id"), MACHINE["machine-id"]);
  t.equal(
    read(directory, "passwd"),
    `${IMAGE_ETC.passwd}alice:x:1000:1000:Alice:/home/alice:/bin/sh\nbob:x:1001:100:Bob:/home/bob:/bin/sh\n`,
    "the image's system users, this machine's people",
  );
  t.equal(
    read(directory, "group"),
    "root:x:0:\nsudo:x:27:alice\nshadow:x:42:\nmessagebus:x:81:\nusers:x:100:\nalice:x:1000:\n",
    "by the image's numbers, with bob's own group, whose number is free there",
  );
  t.equal(
    read(directory, "shadow"),
    "root:$6$root:20000:0:99999:7:::\nmessagebus:!:19000::::::\nalice:$6$alice:20000:0:99999:7:::\nbob:!:20000::::::\n",
  );
  t.equal(
    read(directory, "gshadow"),
    "root:*::\nsudo:*::alice\nshadow:*::\nmessagebus:!::\nusers:!::\nalice:!::\n",
  );
  t.strictSame(attributesIn(directory), {
    etc: "755 0:0",
    "etc/fstab": "644 0:0",
    "etc/group": "644 0:0",
    "etc/gshadow": "640 0:42",
    "etc/hostname": "644 0:0",
    "etc/machine-id": "444 0:0",
    "etc/passwd": "644 0:0",
    "etc/shadow": "640 0:42",
  });
  t.match(
    stdout,
    /^warning: the image has no group wheel: alice is not in it$/m,
  );
  t.match(
    stdout,
    /^ {2}sudo dockroot toplayer check \S+\/whole --image system:1$/m,
  );
  checkNothingElse(t, directory);
});

await t.test("nothing is overwritten", async (t) => {
  const directory = scratchOf("kept");
  fs.mkdirpSync(`${directory}/etc`);
  fs.writeFileSync(`${directory}/etc/shadow`, "mine", { mode: 0o600 });
  fs.symlinkSync("/nowhere", `${directory}/etc/hostname`);
  fs.writeFileSync(`${directory}/etc/fstab.dockroot-new`, "interrupted");
  const { status, stdout, stderr } = runInSystem(
    scratchOf("system"),
    system,
    ...["toplayer", "init", directory, "--yes", "--image", "system:1"],
  );
  t.equal(status, 0, stderr);
  t.equal(read(directory, "shadow"), "mine");
  t.equal(fs.readlinkSync(`${directory}/etc/hostname`), "/nowhere");
  t.match(stdout, /^left {2}\/etc\/shadow +it is there already$/m);
  t.match(stdout, /^left {2}\/etc\/hostname +it is there already$/m);
  t.match(
    stdout,
    /^left {2}\/etc\/passwd +left out: it must fit \/etc\/shadow$/m,
  );
  t.match(stdout, /^made {2}\/etc\/fstab /m);
  t.strictSame(fs.readdirSync(`${directory}/etc`).toSorted(), [
    ...["fstab", "hostname", "machine-id", "shadow"],
  ]);
});

await t.test("what a full disk stopped is made by the next run", async (t) => {
  const directory = scratchOf("full");
  fs.mkdirpSync(directory);
  t.teardown(() => run(["umount", directory]));
  await run(["mount", "-t", "tmpfs", "-o", "size=20k", "none", directory]);
  const init = () =>
    runInSystem(
      scratchOf("system"),
      system,
      ...["toplayer", "init", directory, "--yes", "--image", "system:1"],
    );
  t.match(init(), {
    status: 1,
    stderr:
      /^dockroot: cannot write the top layer \S+\/full\n {2}because: ENOSPC[^]* what to do: .* run it again/,
  });
  t.ok(fs.existsSync(`${directory}/etc/group`));
  t.notOk(fs.existsSync(`${directory}/etc/shadow`));
  await run(["mount", "-o", "remount,size=1m", directory]);
  fs.writeFileSync(`${directory}/etc/passwd.dockroot-new`, "interrupted");
  const { status, stdout } = init();
  t.equal(status, 0);
  t.match(stdout, /^left {2}\/etc\/passwd +it is there already$/m);
  t.match(stdout, /^made {2}\/etc\/shadow /m);
  t.strictSame(fs.readdirSync(`${directory}/etc`).toSorted(), [
    ...["fstab", "group", "gshadow", "hostname", "machine-id", "passwd"],
    "shadow",
  ]);
});

await t.test(
  "without an image all is this machine's, and that is told",
  (t) => {
    const directory = scratchOf("imageless");
    const { status, stdout, stderr } = runInSystem(
      scratchOf("system"),
      {
        etc: MACHINE,
        cmdline:
          "root=LABEL=linux rootflags=subvol=next docker_path=my/docker docker_image=system:1",
      },
      ...["toplayer", "init", directory, "--yes"],
    );
    t.equal(status, 0, stderr);
    t.match(read(directory, "passwd"), /^messagebus:x:105:[^]*^alice:/m);
    t.match(
      read(directory, "fstab"),
      /^LABEL=linux {2}\/var\/lib\/docker {2}btrfs {2}subvol=my\/docker {2}0 {2}0$/m,
      "the store is where the kernel options say",
    );
    t.match(
      stdout,
      /^warning: cannot find the image system:1: there is no image in \/var\/lib\/docker, /m,
    );
    t.match(stdout, /^warning: all accounts are this machine's, /m);
    t.end();
  },
);

await t.test("a directory in this boot's root is told", (t) => {
  const { status, stdout, stderr } = runInSystem(
    scratchOf("system"),
    {
      ...system,
      cmdline: `root=LABEL=${disk.label} rootflags=subvol=docker docker_path=elsewhere docker_image=system:1`,
    },
    ...["toplayer", "init", "/var/lib/docker/tmp/inside", "--yes"],
    ...["--image", "system:1"],
  );
  t.equal(status, 0, stderr);
  t.match(
    stdout,
    /^warning: \/var\/lib\/docker\/tmp\/inside is in the root of this boot, .*$/m,
  );
  t.notMatch(stdout, "boot-entry");
  t.end();
});

await t.test("what is asked is answered on a terminal", (t) => {
  const directory = scratchOf("asked");
  const { status, stdout } = runInSystem(
    scratchOf("system"),
    { ...system, answers: "n\nwhat?\ny\nn\n" },
    ...["toplayer", "init", directory, "--image", "system:1"],
  );
  t.equal(status, 0, stdout);
  t.match(stdout, "Copy root's password? [Y/n]");
  t.match(stdout, "Please answer yes or no.");
  t.equal(
    read(directory, "shadow"),
    `${IMAGE_ETC.shadow}alice:$6$alice:20000:0:99999:7:::\n`,
  );
  t.notMatch(read(directory, "passwd"), "bob");
  t.end();
});

await t.test("what cannot be done is refused, and nothing is made", (t) => {
  const directory = scratchOf("refused");
  const init = (...args: string[]) =>
    runInSystem(scratchOf("system"), system, "toplayer", "init", ...args);
  t.match(init(directory), {
    status: 2,
    stderr: /^dockroot: toplayer init asks .* give --yes .*\n/,
  });
  t.match(init(directory, "--yes", "--image", "gone"), {
    status: 1,
    stderr: /^dockroot: cannot find the image gone:latest in /,
  });
  t.notOk(fs.existsSync(directory));

  fs.mkdirpSync(`${directory}-elsewhere`);
  fs.mkdirpSync(directory);
  fs.symlinkSync(`${directory}-elsewhere`, `${directory}/etc`);
  t.match(init(directory, "--yes"), {
    status: 1,
    stderr: /^dockroot: \S+\/refused\/etc is a symlink, not a directory\n/,
  });
  t.strictSame(fs.readdirSync(`${directory}-elsewhere`), []);
  t.end();
});

await t.test(
  "an old system's lines: what they need, what they hide",
  async (t) => {
    const directory = scratchOf("old");
    const lines = ["/", "/var", "/home", "/opt", "/srv/www", "/var/log"].map(
      (at) => `UUID=${uuid} ${at} btrfs subvol=/@${at} 0 0\n`,
    );
    await changeImage((tree) => {
      fs.outputFileSync(`${tree}/var/lib/dpkg/status`, "x");
      fs.outputFileSync(`${tree}/var/log/dpkg.log`, "x");
      fs.outputFileSync(`${tree}/opt/app/run`, "x");
      fs.mkdirpSync(`${tree}/srv/www`);
    });
    const old: PrivateSystem = {
      ...system,
      etc: {
        ...MACHINE,
        fstab: `${lines.join("")}/dev/mapper/data /data ext4 defaults 0 0\n`,
        crypttab: "data UUID=1 /etc/keys/data.key luks\n",
      },
    };
    const init = runInSystem(
      scratchOf("system"),
      old,
      ...["toplayer", "init", directory, "--yes", "--image", "system:1"],
    );
    t.equal(init.status, 0, init.stderr);
    t.match(
      init.stdout,
      /^warning: the fstab hides files of the image below \/var, \/opt: /m,
    );
    t.match(
      init.stdout,
      /^warning: data is opened with the key \/etc\/keys\/data.key, which is not in the top layer: /m,
    );
    t.equal(read(directory, "crypttab"), old.etc.crypttab);
    t.equal(attributesIn(directory)["etc/crypttab"], "600 0:0");
    const check = () =>
      runInSystem(
        scratchOf("system"),
        old,
        ...["toplayer", "check", directory, "--image", "system:1"],
      ).stdout;
    const found = check();
    for (const at of ["/var", "/opt"]) {
      t.match(
        found,
        new RegExp(
          `^warning: line .* over the image's ${at} and hides its files$`,
          "m",
        ),
      );
    }
    t.notMatch(found, /over the image's \/(?:srv|home|var\/log)/);
    t.match(found, /^warning: line 1 of \/etc\/crypttab opens data with /m);
    t.notMatch(found, "nothing opens");
    fs.removeSync(`${directory}/etc/crypttab`);
    t.match(check(), /^error: line .* and nothing opens data: /m);
  },
);

await t.test("pwck and grpck find nothing in what is written", async (t) => {
  const family = {
    passwd: `${IMAGE_ETC.passwd}ubuntu:x:1000:1000::/home/ubuntu:/bin/sh\n`,
    group: `${IMAGE_ETC.group.replace("27:", "27:ubuntu")}ubuntu:x:1000:\n`,
    shadow: `${IMAGE_ETC.shadow}ubuntu:!:19000:0:99999:7:::\n`,
    gshadow: `${IMAGE_ETC.gshadow.replace("sudo:*::", "sudo:*:ubuntu:ubuntu")}ubuntu:!::\n`,
  };
  const people = {
    ...MACHINE,
    group: `${String(MACHINE.group)}family:x:1005:alice,bob\nodd:x:12:\n`,
    passwd: `${String(MACHINE.passwd)}carol:x:1002:12::/home/carol:/bin/sh\n`,
  };
  await changeImage((tree) => {
    for (const [name, text] of Object.entries(family)) {
      fs.writeFileSync(`${tree}/etc/${name}`, text);
    }
  });
  for (const image of [["--image", "system:1"], []]) {
    const directory = scratchOf(`consistent-${String(image.length)}`);
    const { status, stdout, stderr } = runInSystem(
      scratchOf("system"),
      { ...system, etc: people },
      ...["toplayer", "init", directory, "--yes", ...image],
    );
    t.equal(status, 0, stderr);
    await run(["grpck", "-r", "-R", directory]);
    await run(["pwck", "-r", "-q", "-R", directory]);
    if (image.length === 0) continue;
    t.match(
      stdout,
      /^warning: the image's user ubuntu is left out: alice has the number 1000 on this machine$/m,
    );
    t.notMatch(read(directory, "group"), "ubuntu");
    t.match(read(directory, "gshadow"), /^family:!::alice,bob$/m);
  }
});

async function changeImage(change: (tree: string) => void): Promise<void> {
  await disk.look(async (top) => {
    const subvolumes = path.join(top, "docker/btrfs/subvolumes");
    for (const subvolume of fs.readdirSync(subvolumes)) {
      const tree = path.join(subvolumes, subvolume);
      if (!fs.existsSync(`${tree}/etc/passwd`)) continue;
      await run(["btrfs", "property", "set", "-f", tree, "ro", "false"]);
      change(tree);
    }
  });
}

function attributesIn(directory: string): Record<string, string> {
  const entries = fs.readdirSync(directory, {
    recursive: true,
    encoding: "utf8",
  });
  return Object.fromEntries(
    entries.toSorted().map((name) => {
      const { mode, uid, gid } = fs.lstatSync(path.join(directory, name));
      const bits = (mode & 0o7777).toString(8);
      return [name, `${bits} ${String(uid)}:${String(gid)}`];
    }),
  );
}

/** A second run finds all there. */
function checkNothingElse(t: Test, directory: string): void {
  const before = attributesIn(directory);
  const { status, stdout } = runInSystem(
    scratchOf("system"),
    system,
    ...["toplayer", "init", directory, "--yes", "--image", "system:1"],
  );
  t.equal(status, 0);
  t.notMatch(stdout, /^made/m);
  t.strictSame(attributesIn(directory), before);
}
