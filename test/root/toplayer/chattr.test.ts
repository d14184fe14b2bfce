// runner: tier=first seconds=8
import fs from "fs-extra";
import t from "tap";
import { run } from "../../../fixtures/run.ts";
import { makeBootDisk, rehearse } from "../boot-disk.ts";
import { layersOption } from "./layers-option.ts";

// What somebody has set with chattr(1). In a root that is kept (+i for resolv.conf, against
// NetworkManager): its copy refuses changes to root, too.

interface Locked {
  /** What is done in the root. */
  readonly root: string;
  /** What the top layer gets then. */
  readonly layer: string;
  readonly told: string;
}

const CASES: Readonly<Record<string, Locked>> = {
  "an immutable file that is replaced": {
    root: "chattr +i etc/resolv.conf",
    layer: "echo new >etc/resolv.conf",
    told: "/etc/resolv.conf is immutable",
  },
  "an append-only file that is replaced": {
    root: "chattr +a etc/resolv.conf",
    layer: "echo new >etc/resolv.conf",
    told: "/etc/resolv.conf is append-only",
  },
  "a file in an append-only directory": {
    root: "chattr +a etc",
    layer: "echo new >etc/resolv.conf",
    told: "/etc is append-only",
  },
  "a new file in an immutable directory": {
    root: "mkdir srv/d; chattr +i srv/d",
    layer: "mkdir -p srv/d; echo new >srv/d/file",
    told: "/srv/d is immutable",
  },
  "an immutable file that a whiteout deletes with its directory": {
    root: "mkdir -p srv/d/deep; echo 1 >srv/d/deep/file; chattr +i srv/d/deep/file",
    layer: "mkdir -p srv; : >srv/.wh.d",
    told: "/srv/d/deep/file is immutable",
  },
  "an append-only file in a directory that is emptied": {
    root: "mkdir -p srv/d/deep; echo 1 >srv/d/deep/file; chattr +a srv/d/deep/file",
    layer: "mkdir -p srv/d; : >srv/d/.wh..wh..opq",
    told: "/srv/d/deep/file is append-only",
  },
  "an append-only directory that gets attributes alone": {
    root: "mkdir -p srv/d; chattr +a srv/d",
    layer: "mkdir -p srv/d; : >srv/d/.wh.nothing; chmod 0700 srv/d",
    told: "/srv/d is append-only",
  },
  "an immutable file whose name is odd": {
    root: 'echo 1 >"etc/it\'s one"; chattr +i "etc/it\'s one"',
    layer: 'echo new >"etc/it\'s one"',
    told: "/etc/it's one is immutable",
  },
};

const disk = await makeBootDisk(t, "chattr");

for (const [index, [name, { root, layer, told }]] of Object.entries(
  CASES,
).entries()) {
  await t.test(`${name} is named, and how to clear it`, async (t) => {
    const rwlayer = `locked-${String(index)}`;
    const machine = rehearse(t, disk, rwlayer);
    const options = `${layersOption(disk, [rwlayer])} dockroot.rwlayer=keep dockroot.toplayer=always`;
    const inTopLayer = (script: string) =>
      disk.look(async (top) => {
        fs.ensureDirSync(`${top}/layers/${rwlayer}`);
        await run(["sh", "-ec", script], { cwd: `${top}/layers/${rwlayer}` });
      });
    await inTopLayer("mkdir etc; echo old >etc/resolv.conf");
    const first = machine.boot(options);
    t.equal(first.status, 0, first.stderr);
    t.equal(machine.finish().status, 0);

    await disk.look((top) =>
      run(["sh", "-ec", root], { cwd: `${top}/${rwlayer}` }),
    );
    await inTopLayer(layer);
    const { status, stderr } = machine.boot(options);
    t.equal(status, 1, stderr);
    t.match(stderr, `because: ${told}`);
    t.match(stderr, /what to do: .*chattr -i -a/);
    t.notMatch(stderr, /dmesg/);
    t.notMatch(JSON.stringify(machine.record()), /resolv\.conf|srv/);
  });
}

for (const how of ["keep", "fresh"]) {
  await t.test(`a root that is immutable itself: ${how}`, async (t) => {
    const rwlayer = `root-${how}`;
    const machine = rehearse(t, disk, rwlayer);
    const options = `${layersOption(disk, [rwlayer])} dockroot.rwlayer=${how} dockroot.toplayer=always`;
    const setInRoot = (attribute: string) =>
      disk.look(async (top) => {
        await run(["chattr", attribute, `${top}/${rwlayer}`]);
        fs.outputFileSync(`${top}/layers/${rwlayer}/etc/x`, attribute);
      });
    await disk.look((top) => {
      fs.outputFileSync(`${top}/layers/${rwlayer}/etc/x`, "");
    });
    t.equal(machine.boot(options).status, 0);
    t.equal(machine.finish().status, 0);
    await setInRoot("+i");
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const { status, stderr } = machine.boot(options);
      t.equal(status, 1);
      t.match(stderr, `${rwlayer} is immutable (chattr +i)`);
      t.match(stderr, "chattr -i /");
    }
    await setInRoot("-i");
    const { status, stderr } = machine.boot(options);
    t.equal(status, 0, stderr);
    t.equal(machine.finish().status, 0);
  });
}

await t.test("a former root with an immutable subvolume is kept", async (t) => {
  const machine = rehearse(t, disk, "former");
  const options = "dockroot.generations=0";
  t.equal(machine.boot(options).status, 0);
  t.equal(machine.finish().status, 0);
  await disk.look(async (top) => {
    await run(["btrfs", "subvolume", "create", `${top}/former/x`]);
    await run(["chattr", "+i", `${top}/former/x`]);
  });
  t.equal(machine.boot(options).status, 0);
  t.match(
    machine.finish().stderr,
    /generations\/1\/x is immutable \(chattr \+i\)/,
  );
});

await t.test("files that are NOCOW are told, and copied", async (t) => {
  await disk.look((top) =>
    run(
      [
        "sh",
        "-ec",
        `mkdir -p layers/nocow/var/vm layers/nocow/etc; chattr +C layers/nocow/var/vm; cd layers/nocow
        head -c 300000 /dev/urandom >var/vm/disk.img; ln var/vm/disk.img var/same; echo shared >etc/hostname; : >var/empty`,
      ],
      { cwd: top },
    ),
  );
  const machine = rehearse(t, disk, "nocow");
  const { status, stderr } = machine.boot(layersOption(disk, ["nocow"]));
  t.equal(status, 0, stderr);
  t.equal(machine.finish().status, 0);
  t.match(machine.warnings(), [
    /^the top layer has NOCOW files \(chattr \+C\), whose copies are not: \/var\/vm\/disk\.img, \/var\/same$/,
  ]);
  t.notMatch(JSON.stringify(machine.record()), "disk.img");
  await disk.look(async (top) => {
    const layer = `${top}/layers/nocow`;
    const root = `${top}/nocow`;
    for (const file of ["var/vm/disk.img", "var/same", "etc/hostname"]) {
      await run(["cmp", `${layer}/${file}`, `${root}/${file}`]);
    }
    t.equal(fs.statSync(`${root}/var/same`).nlink, 2);
  });

  const other = rehearse(t, disk, "nocow-mount");
  const { status: again, stderr: said } = other.boot(
    `${layersOption(disk, ["nocow"])} rootflags=subvol=nocow-mount,nodatacow`,
  );
  t.equal(again, 0, said);
  t.strictSame(other.warnings(), [], "all of that mount is");
});
