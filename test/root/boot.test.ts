import fs from "fs-extra";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import path from "node:path";
import t, { type Test } from "tap";
import { makeBtrfsDisk } from "../../fixtures/loop-disk.ts";
import { run } from "../../fixtures/run.ts";
import {
  compareListings,
  entryOf,
  listTree,
} from "../../fixtures/tree-listing.ts";
import { parseMountinfo } from "../../runtime/mounts.ts";
import { runDockroot, type Outcome } from "../binary/run-dockroot.ts";
import {
  attach,
  detach,
  makeBootDisk,
  newLabel,
  rehearse,
  type Rehearsal,
} from "./boot-disk.ts";

const disk = await makeBootDisk(t, "boot");
const withTimes = { contents: false, changeTimes: true };
const subvolume = (command: string, ...args: string[]) =>
  run(["btrfs", "subvolume", command, ...args]);

await t.test(
  "a fresh boot puts a snapshot of the image in place",
  async (t) => {
    const machine = rehearse(t, disk, "fresh");
    const store = await disk.look((top) =>
      listTree(`${top}/docker`, withTimes),
    );
    const traces = await disk.traces();

    const { status, stdout, stderr } = machine.boot("", "--json");
    t.equal(status, 0, stderr);
    const record = machine.record();
    t.strictSame(JSON.parse(stdout), record, "--json prints boot.json");
    t.match(record, {
      result: "fresh",
      image: { reference: "system:1", id: disk.ids["system:1"] },
      rwlayer: "fresh",
      toplayer: null,
      warnings: [],
    });
    for (const { durationMs } of record.steps) t.type(durationMs, "number");
    for (const line of readLog(machine)) t.match(line, { msg: /./, level: 30 });
    const topLevel = path.join(machine.runDirectory, "toplevel");
    t.ok(isMounted(topLevel), "the top level stays mounted");

    const { status: finished, stderr: said } = machine.finish();
    t.equal(finished, 0, said);
    t.notOk(isMounted(topLevel), "until dockroot finish");
    t.notOk(fs.existsSync(topLevel));
    t.strictSame(await disk.traces(), traces);
    t.equal(
      machine.finish().status,
      0,
      "a second dockroot finish does nothing",
    );

    t.equal((await disk.subvolumes())["fresh"], record.subvolumeUuid);
    await disk.look((top) => {
      const image = listTree(`${top}/${record.source}`);
      const tree = listTree(`${top}/fresh`);
      t.strictSame(compareListings(tree, image), [], "it is the image's tree");
      t.strictSame(
        compareListings(listTree(`${top}/docker`, withTimes), store),
        [],
        "the image store is as it was",
      );
      const own = listTree(`${top}/.dockroot`);
      for (const name of ["", "fresh", "fresh/generations"]) {
        t.equal(entryOf(own, name).mode, "700", `.dockroot/${name}`);
      }
      t.equal(entryOf(own, "fresh/state.json").mode, "600");
      t.strictSame(Object.keys(own).toSorted(), [
        ...["", "fresh", "fresh/generations", "fresh/state.json"],
      ]);
    });
  },
);

await t.test(
  "the former rwlayer becomes a generation, with what was written to it",
  async (t) => {
    const machine = rehearse(t, disk, "second");
    const uuids: string[] = [];
    const bootAndWrite = async (name: string, options = "") => {
      const { status, stderr } = machine.boot(options);
      t.equal(status, 0, stderr);
      t.equal(machine.finish().status, 0);
      uuids.push(machine.record().subvolumeUuid);
      await disk.look((top) => {
        t.notOk(fs.existsSync(`${top}/second/written`), "begins anew");
        fs.writeFileSync(`${top}/second/written`, name);
      });
    };
    const generations = () =>
      disk.look((top) => {
        const directory = `${top}/.dockroot/second/generations`;
        return fs.readdirSync(directory).map((name) => ({
          name,
          written: fs.readFileSync(`${directory}/${name}/written`, "utf8"),
        }));
      });
    await bootAndWrite("one");
    t.strictSame(await generations(), []);
    await bootAndWrite("two", "docker_image=system:2");
    t.strictSame(await generations(), [{ name: "1", written: "one" }]);
    t.equal(machine.record().image.id, disk.ids["system:2"]);
    await bootAndWrite("three");
    t.strictSame(
      await generations(),
      [{ name: "2", written: "two" }],
      "one is kept by default",
    );
    await bootAndWrite("four", "dockroot.generations=3");
    await bootAndWrite("five", "dockroot.generations=3");
    t.strictSame(
      (await generations()).map(({ written }) => written),
      ["two", "three", "four"],
    );
    t.strictSame(
      Object.entries(await disk.subvolumes())
        .filter(([name]) => /(?:^|\/)second(?:$|\/)/.test(name))
        .map(([, uuid]) => uuid)
        .toSorted(),
      uuids.slice(1).toSorted(),
    );
    await bootAndWrite("six", "dockroot.generations=0");
    t.strictSame(await generations(), []);
    const state = await disk.look((top) =>
      fs.readJsonSync(`${top}/.dockroot/second/state.json`),
    );
    t.strictSame(
      (state as { subvolumes: { uuid: string }[] }).subvolumes.map(
        ({ uuid }) => uuid,
      ),
      uuids.slice(-1),
      "what is gone is forgotten",
    );
  },
);

await t.test(
  "a former rwlayer goes with its nested subvolumes, and nothing else does",
  async (t) => {
    const machine = rehearse(
      t,
      disk,
      "nest",
      "docker_image=system:1 dockroot.generations=0",
    );
    t.equal(machine.boot().status, 0);
    t.equal(machine.finish().status, 0);
    await disk.look(async (top) => {
      // Neighbours, whose names begin as those of what goes.
      fs.mkdirSync(`${top}/nest.d`);
      for (const name of ["nest2", "nest-old", "nest.d/a", "other"]) {
        await subvolume("create", `${top}/${name}`);
        fs.writeFileSync(`${top}/${name}/kept`, name);
      }
      const generations = `${top}/.dockroot/nest/generations`;
      for (const name of ["10x", "1-mine", "3"]) {
        await subvolume("create", `${generations}/${name}`);
      }

      const inside = `${top}/nest`;
      const id = (file: string) =>
        run(["btrfs", "inspect-internal", "rootid", file]);
      // A name that looks like a line of the list: a neighbour would be nested in the rwlayer.
      const forged = `x\nID ${await id(`${top}/other`)} gen 1 top level ${await id(inside)} path y`;
      fs.mkdirpSync(`${inside}/var/lib`);
      for (const name of [
        ...["var/lib/machines", "var/lib/machines/one", "a b", "a b/c  d"],
        ...[
          "a b/c  d/e\nf",
          forged,
          `${forged}/deep`,
          "ro",
          "ro/ro",
          "ro/ro/ro",
        ],
        ...["ro/rw", "nest", "nest/nest", "-rf", "top level 5 path"],
      ]) {
        await subvolume("create", "--", `${inside}/${name}`);
        fs.writeFileSync(`${inside}/${name}/file`, name);
      }
      const notUtf8 = [
        "sh",
        "-c",
        `cd "$0"; for name in caf caf/nested; do btrfs subvolume create "$name"; done; mv caf "$(printf 'caf\\351')"`,
      ];
      await run([...notUtf8, inside]);
      for (const name of ["ro/ro/ro", "ro/ro", "ro", "nest/nest"]) {
        const property = ["btrfs", "property", "set", "-ts"];
        await run([...property, `${inside}/${name}`, "ro", "true"]);
      }
      await subvolume(
        "snapshot",
        "-r",
        `${top}/other`,
        `${inside}/snapshot of a neighbour`,
      );
      await subvolume("snapshot", inside, `${top}/copy of nest`);
    });
    const before = await disk.subvolumes();
    const inside = Object.keys(before).filter((name) =>
      /^nest(?:\/|$)/.test(name),
    );
    t.equal(inside.length, 19, inside.join(", "));
    const outside = () =>
      disk.look((top) =>
        Object.fromEntries(
          Object.entries(
            listTree(top, { ...withTimes, contents: true }),
          ).filter(
            ([name]) =>
              !/^(?:nest|\.dockroot\/nest(?:\/generations|\/state\.json)?)?$|^nest\//.test(
                name,
              ),
          ),
        ),
      );
    const outsideBefore = await outside();

    const { status, stderr } = machine.boot();
    t.equal(status, 0, stderr);
    const { status: finished, stderr: said } = machine.finish();
    t.equal(finished, 0, said);
    t.match(said, /generations\/3 was not made by dockroot and is left alone/);

    const after = await disk.subvolumes();
    const expected = Object.fromEntries(
      Object.entries(before).filter(([name]) => !inside.includes(name)),
    );
    t.strictSame(after, { ...expected, nest: machine.record().subvolumeUuid });
    t.strictSame(compareListings(await outside(), outsideBefore), []);
  },
);

await t.test(
  "a generation that cannot be removed stays, and the others go",
  async (t) => {
    const machine = rehearse(t, disk, "stuck");
    for (let starts = 1; starts <= 4; starts += 1) {
      t.equal(machine.boot("dockroot.generations=9").status, 0);
      t.equal(machine.finish().status, 0);
    }
    const generations = ".dockroot/stuck/generations";
    // btrfs refuses to delete the default subvolume.
    await disk.look((top) =>
      subvolume("set-default", `${top}/${generations}/2`),
    );
    t.equal(machine.boot("dockroot.generations=1").status, 0);
    const { status, stderr } = machine.finish();
    t.equal(status, 0, stderr);
    t.match(
      stderr,
      /warning: cannot remove the old generation .*generations\/2: btrfs /,
    );
    t.strictSame(
      Object.keys(await disk.subvolumes())
        .filter((name) => name.startsWith(generations))
        .toSorted(),
      [`${generations}/2`, `${generations}/4`],
    );
    await disk.look((top) => subvolume("set-default", "5", top));
    t.equal(machine.boot("dockroot.generations=1").status, 0);
    t.equal(machine.finish().status, 0);
    t.notOk((await disk.subvolumes())[`${generations}/2`], "goes when it can");
  },
);

for (const [what, make] of Object.entries<(place: string) => unknown>({
  "a subvolume of somebody else": (place) => subvolume("create", place),
  "a directory": (place) => {
    fs.mkdirSync(place);
    fs.writeFileSync(`${place}/file`, "precious");
  },
  "an empty directory": (place) => {
    fs.mkdirSync(place);
  },
  "a file": (place) => {
    fs.writeFileSync(place, "precious");
  },
  "a link to a subvolume": async (place) => {
    await subvolume("create", `${place}-target`);
    fs.symlinkSync(`${path.basename(place)}-target`, place);
  },
  "a link that leads nowhere": (place) => {
    fs.symlinkSync("/nowhere", place);
  },
})) {
  await t.test(
    `${what} in the rwlayer's place is refused and left alone`,
    async (t) => {
      const machine = rehearse(t, disk, `foreign-${what.replaceAll(" ", "-")}`);
      await disk.look((top) => make(`${top}/${machine.rwlayer}`));
      await fails(t, machine, "", "RWLAYER_FOREIGN", [machine.rwlayer]);
    },
  );
}

await t.test(
  "a subvolume that was put in the rwlayer's place is not taken for it",
  async (t) => {
    const machine = rehearse(t, disk, "swapped");
    t.equal(machine.boot().status, 0);
    t.equal(machine.finish().status, 0);
    await disk.look(async (top) => {
      fs.renameSync(`${top}/swapped`, `${top}/swapped-away`);
      await subvolume("snapshot", `${top}/swapped-away`, `${top}/swapped`);
    });
    await fails(t, machine, "", "RWLAYER_FOREIGN", ["swapped"]);
  },
);

await t.test(
  "dockroot's own directory is not followed where it is a link",
  async (t) => {
    const machine = rehearse(t, disk, "linked");
    await disk.look((top) => {
      fs.mkdirSync(`${top}/somewhere`);
      fs.symlinkSync("../somewhere", `${top}/.dockroot/linked`);
    });
    await fails(t, machine, "", "STEP_FAILED", [".dockroot/linked"]);
    await disk.look((top) => {
      fs.symlinkSync("somewhere", `${top}/link`);
    });
    await fails(t, machine, "rootflags=subvol=link/x", "RWLAYER_UNSUITABLE", [
      "link is not a directory",
    ]);
  },
);

await t.test("what an interrupted start left is cleaned up", async (t) => {
  const machine = rehearse(
    t,
    disk,
    "interrupted",
    "docker_image=system:1 dockroot.generations=0",
  );
  t.equal(machine.boot().status, 0);
  t.equal(machine.boot().status, 0, "also without dockroot finish between");
  const topLevel = path.join(machine.runDirectory, "toplevel");
  t.equal(mountPoints().filter((point) => point === topLevel).length, 1);
  t.equal(machine.finish().status, 0);

  await disk.look(async (top) => {
    const staging = `${top}/.dockroot/interrupted/staging`;
    await subvolume("snapshot", `${top}/interrupted`, staging);
    await subvolume("create", `${staging}/nested`);
    await subvolume(
      "snapshot",
      "-r",
      `${staging}/nested`,
      `${staging}/read-only`,
    );
    fs.writeFileSync(`${top}/.dockroot/interrupted/state.json.new`, "{");
  });
  const { status, stderr } = machine.boot();
  t.equal(status, 0, stderr);
  t.match(stderr, /delete \.dockroot\/interrupted\/staging/);
  t.equal(machine.finish().status, 0);

  await disk.look((top) => {
    // Between the two renames.
    const own = `${top}/.dockroot/interrupted`;
    fs.renameSync(`${top}/interrupted`, `${own}/generations/7`);
  });
  t.equal(machine.boot().status, 0);
  t.equal(machine.finish().status, 0);
  const left = Object.entries(await disk.subvolumes()).filter(([name]) =>
    name.includes("interrupted"),
  );
  t.strictSame(left, [["interrupted", machine.record().subvolumeUuid]]);
});

await t.test(
  "a boot that fails leaves all as it was, and says why",
  async (t) => {
    const machine = rehearse(t, disk, "failing");
    t.equal(machine.boot().status, 0);
    t.equal(machine.finish().status, 0);
    await fails(t, machine, "docker_image=sistem:1", "IMAGE_MISSING", [
      "sistem:1",
      "system:1",
    ]);
    await fails(t, machine, "docker_image=system:3", "IMAGE_MISSING", [
      "system:3",
      "of system there are: system:1, system:2",
    ]);
    await fails(t, machine, "docker_path=photos", "STORE_MISSING", ["photos"]);
    await fails(
      t,
      machine,
      `toplayer=LABEL=${disk.label} toplayer_path=nowhere`,
      "TOPLAYER_MISSING",
      ["nowhere"],
    );
    await fails(t, machine, "rootflags=subvol=docker/x", "RWLAYER_UNSUITABLE", [
      "docker",
    ]);
    await fails(
      t,
      machine,
      "rootflags=subvol=not/there",
      "RWLAYER_UNSUITABLE",
      ["not is absent"],
    );
    await fails(
      t,
      machine,
      "rootflags=subvol=failing,nonsense=1",
      "MOUNT_FAILED",
      ["nonsense"],
    );
    await fails(
      t,
      machine,
      "docker_image=bare:1",
      "INIT_MISSING",
      ["/sbin/init"],
      "staging",
    );
    await fails(
      t,
      machine,
      "init=/sbin/nothing",
      "INIT_MISSING",
      ["/sbin/nothing"],
      "staging",
    );
    await fails(
      t,
      machine,
      "rootflags=subvolid=300",
      "INVALID_OPTION",
      ["subvolid"],
      "staging",
    );
    t.equal(machine.finish().status, 1, "there is nothing to finish");

    await disk.look((top) => {
      fs.writeFileSync(`${top}/.dockroot/failing/state.json`, "{");
    });
    await fails(t, machine, "", "FILE_UNREADABLE", ["state.json"], "staging");
  },
);

await t.test(
  "--dry-run prints the plan and writes nothing to the disk",
  async (t) => {
    const machine = rehearse(t, disk, "dry");
    t.equal(machine.boot().status, 0);
    t.equal(machine.finish().status, 0);
    const traces = await disk.traces();
    const before = await hashFile(disk.file);
    const files = listTree(machine.runDirectory, { contents: false });

    const { status, stdout, stderr } = machine.boot("", "--dry-run");
    t.equal(status, 0, stderr);
    for (const expected of [
      new RegExp(`^image +system:1 \\(${disk.ids["system:1"]}\\)$`, "m"),
      /^rwlayer +dry$/m,
      /keep the former dry as \.dockroot\/dry\/generations\/1/,
      /put \.dockroot\/dry\/staging in place as dry/,
    ]) {
      t.match(stdout, expected);
    }
    const json = machine.boot("", "--dry-run", "--json");
    t.equal(json.status, 0, json.stderr);
    t.match(JSON.parse(json.stdout), { version: 1, rwlayer: "dry" });
    t.equal(machine.boot("docker_image=no", "--dry-run").status, 1);

    t.equal(
      await hashFile(disk.file),
      before,
      "each byte of the disk is as it was",
    );
    t.strictSame(await disk.traces(), traces);
    t.strictSame(
      compareListings(listTree(machine.runDirectory, { contents: false }), {
        ...files,
        "": entryOf(listTree(machine.runDirectory, { contents: false }), ""),
      }),
      [],
      "nor is there a new boot.json",
    );
  },
);

await t.test(
  "--dry-run works in a running system, whose disk is mounted",
  async (t) => {
    const machine = rehearse(t, disk, "dry-mounted");
    await disk.look(async (top) => {
      const before = listTree(top, withTimes);
      const traces = await disk.traces();
      const { status, stderr } = machine.boot("", "--dry-run");
      t.equal(status, 0, stderr);
      t.strictSame(await disk.traces(), traces);
      t.strictSame(compareListings(listTree(top, withTimes), before), []);
    });
  },
);

await t.test("wrong usage ends with status 2", async (t) => {
  for (const args of [
    ["boot", "--nonsense"],
    ["boot", "an-argument"],
    ["boot", "--cmdline"],
    ["boot", "--cmdline", "/nowhere/cmdline"],
    ["boot", "--cmdline", "/dev/null", "--config", "/nowhere/config"],
    ["finish", "--cmdline", "/dev/null"],
    ["start"],
  ]) {
    const { status, stdout, stderr } = runDockroot(...args);
    t.equal(status, 2, `${args.join(" ")}: ${stderr}`);
    t.equal(stdout, "");
    t.match(stderr, /^dockroot: /);
    t.notMatch(stderr, /^ +at /m);
  }
});

await t.test(
  "subvol= may be a path with slashes, beside other flags",
  async (t) => {
    await disk.look((top) => {
      fs.mkdirpSync(`${top}/systems/blue`);
    });
    const machine = rehearse(t, disk, "systems/blue/root");
    const options =
      "rootflags=noatime,subvol=/systems/blue/root/,compress=zstd:1";
    for (let starts = 1; starts <= 2; starts += 1) {
      const { status, stderr } = machine.boot(options);
      t.equal(status, 0, stderr);
      const topLevel = path.join(machine.runDirectory, "toplevel");
      const mount = fs
        .readFileSync("/proc/self/mountinfo", "utf8")
        .split("\n")
        .find((line) => line.includes(` ${topLevel} `));
      t.match(mount, /noatime.*compress=zstd:1.*subvolid=5/);
      t.equal(machine.finish().status, 0);
    }
    const subvolumes = await disk.subvolumes();
    t.equal(subvolumes["systems/blue/root"], machine.record().subvolumeUuid);
    t.ok(subvolumes[".dockroot/systems%2Fblue%2Froot/generations/1"]);
  },
);

await t.test(
  "a default subvolume of the filesystem changes nothing",
  async (t) => {
    const machine = rehearse(t, disk, "default");
    await disk.look(async (top) => {
      await subvolume("create", `${top}/the-default`);
      await subvolume("set-default", `${top}/the-default`);
    });
    const { status, stderr } = machine.boot();
    t.equal(status, 0, stderr);
    t.equal(machine.finish().status, 0);
    t.equal(
      (await disk.subvolumes())["default"],
      machine.record().subvolumeUuid,
    );
    await disk.look((top) => subvolume("set-default", "5", top));
  },
);

await t.test("root= names the device in each way", async (t) => {
  const machine = rehearse(t, disk, "named");
  const link = `/dev/${disk.label}`;
  fs.symlinkSync(path.basename(disk.device), link);
  t.teardown(() => {
    fs.removeSync(link);
  });
  const uuid = await run([
    ...["blkid", "-c", "/dev/null", "-o", "value", "-s", "UUID", disk.device],
  ]);
  for (const root of [
    `UUID=${uuid}`,
    disk.device,
    link,
    `LABEL=${disk.label}`,
  ]) {
    const { status, stderr } = machine.boot(`root=${root}`);
    t.equal(status, 0, `${root}: ${stderr}`);
    t.equal(machine.finish().status, 0);
  }
  const spaced = `${disk.label} my disk`;
  await run(["btrfs", "filesystem", "label", disk.device, spaced]);
  const quoted = machine.boot(`"root=LABEL=${spaced}"`);
  t.equal(quoted.status, 0, quoted.stderr);
  t.equal(machine.finish().status, 0);
  const otherQuotes = machine.boot(`root="LABEL=${spaced}"`);
  t.equal(otherQuotes.status, 0, otherQuotes.stderr);
  t.equal(machine.finish().status, 0);
  await run(["btrfs", "filesystem", "label", disk.device, disk.label]);
});

await t.test(
  "root= can name a partition by its own label and UUID",
  async (t) => {
    const machine = rehearse(t, disk, "partition");
    const name = newLabel();
    const file = path.join(disk.scratch, "partitioned");
    fs.writeFileSync(file, "");
    fs.truncateSync(file, 128 * 1024 ** 2);
    await run(["sfdisk", "--quiet", file], {
      input: `label: gpt\nname=${name}\n`,
    });
    const device = await attach(t, file);
    await run(["partx", "--add", device]);
    t.teardown(() => run(["partx", "--delete", device]).catch(() => undefined));
    await run(["mkfs.btrfs", "--quiet", `${device}p1`]);
    const id = await run([
      ...["blkid", "-p", "-o", "value", "-s", "PART_ENTRY_UUID", `${device}p1`],
    ]);
    for (const root of [`PARTLABEL=${name}`, `PARTUUID=${id}`]) {
      // An empty filesystem: that there is no store in it is known once it was found and mounted.
      const { status, stderr } = machine.boot(`root=${root}`);
      t.equal(status, 1);
      t.match(stderr, "there is no image store at docker_path=docker");
    }
    await run(["partx", "--delete", device]);
    await detach(file);
  },
);

await t.test("a disk that appears late is waited for", async (t) => {
  const machine = rehearse(t, disk, "late");
  await detach(disk.file);
  const appears = spawn("sh", [
    ...["-c", `sleep 3; exec losetup --find "$0"`, disk.file],
  ]);
  const appeared = once(appears, "exit");
  t.teardown(() => appears.kill());
  const { status, stderr } = machine.boot();
  await appeared;
  t.equal(status, 0, stderr);
  t.match(
    stderr,
    `still at it after 1 s: find the root device LABEL=${disk.label}`,
  );
  t.equal(machine.finish().status, 0);
  const [{ durationMs } = { durationMs: 0 }] = machine.record().steps;
  t.ok(
    durationMs > 2500 && durationMs < 5000,
    `after ${String(durationMs)} ms`,
  );
});

await t.test(
  "a disk that does not appear is told, with those that are there",
  async (t) => {
    const machine = rehearse(t, disk, "absent");
    const label = newLabel();
    await fails(
      t,
      machine,
      `root=LABEL=${label} rootdelay=1`,
      "DEVICE_NOT_FOUND",
      [
        ...[`LABEL=${label}`, "1 s", disk.device, `LABEL=${disk.label}`],
        "rootdelay=",
      ],
    );
    await fails(
      t,
      machine,
      "root=/dev/nowhere rootdelay=1",
      "DEVICE_NOT_FOUND",
      ["/dev/nowhere"],
    );
    await fails(t, machine, "root=/dev/null rootdelay=0", "DEVICE_NOT_FOUND", [
      "/dev/null",
    ]);
  },
);

await t.test("a label that two filesystems have names neither", async (t) => {
  const machine = rehearse(t, disk, "ambiguous");
  const file = path.join(disk.scratch, "twin");
  await makeBtrfsDisk(file, { label: disk.label, sizeBytes: 128 * 1024 ** 2 });
  const twin = await attach(t, file);
  await fails(t, machine, "", "DEVICE_AMBIGUOUS", [
    disk.label,
    disk.device,
    twin,
  ]);
  t.not(twin, disk.device);
  const { status, stderr } = machine.boot(`root=${disk.device}`);
  t.equal(status, 0, stderr);
  t.equal(machine.finish().status, 0);
  await detach(file);
});

await t.test("a disk without btrfs is refused", async (t) => {
  const machine = rehearse(t, disk, "unsuitable");
  const label = newLabel().slice(-16);
  const file = path.join(disk.scratch, "ext4");
  fs.writeFileSync(file, "");
  fs.truncateSync(file, 16 * 1024 ** 2);
  await run(["mkfs.ext4", "-q", "-L", label, file]);
  const device = await attach(t, file);
  await fails(t, machine, `root=LABEL=${label}`, "DEVICE_UNSUITABLE", [
    device,
    "ext4",
  ]);
  await fails(t, machine, `root=${device}`, "DEVICE_UNSUITABLE", ["ext4"]);
  await detach(file);
});

/** The boot fails as the user should see it; no subvolume, mount or loop device has changed. */
async function fails(
  t: Test,
  machine: Rehearsal,
  options: string,
  code: string,
  words: readonly string[],
  mayLeave?: "staging",
): Promise<void> {
  const state = async () => {
    const listing = await disk.look((top) => listTree(top, withTimes));
    const subvolumes = await disk.subvolumes();
    return { listing, subvolumes, traces: await disk.traces() };
  };
  const before = await state();
  const outcome = machine.boot(options);
  const after = await state();
  const name = `${code} for ${options}`;
  t.equal(outcome.status, 1, name);
  checkMessage(t, outcome);
  for (const word of words) {
    t.ok(outcome.stderr.includes(word), `says ${word}: ${outcome.stderr}`);
  }
  const { result, failure } = machine.record();
  t.equal(result, "failed");
  t.equal(failure?.code, code, name);

  t.strictSame(after.traces, before.traces);
  const own = `.dockroot/${machine.rwlayer}`;
  const isLeft = (file: string) =>
    mayLeave !== undefined &&
    [own, `${own}/${mayLeave}`].some(
      (place) => file === place || file.startsWith(`${place}/`),
    );
  const without = <T>(entries: Readonly<Record<string, T>>) =>
    Object.fromEntries(
      Object.entries(entries).filter(([file]) => !isLeft(file)),
    );
  t.strictSame(without(after.subvolumes), without(before.subvolumes));
  t.strictSame(
    compareListings(without(after.listing), without(before.listing)),
    [],
    "the disk is as it was",
  );
}

/** One plain line with what failed, why, and what to do. */
function checkMessage(t: Test, { stdout, stderr }: Outcome): void {
  t.equal(stdout, "");
  t.match(stderr, /^dockroot: [^\n]+$/m);
  t.match(stderr, /^ {2}what to do: /m);
  t.notMatch(stderr, /^ +at .*:\d+:\d+\)?$/m, "no stack trace");
}

function readLog(machine: Rehearsal): unknown[] {
  return fs
    .readFileSync(path.join(machine.runDirectory, "boot.log"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
}

function mountPoints(): string[] {
  return parseMountinfo(fs.readFileSync("/proc/self/mountinfo", "utf8")).map(
    ({ mountPoint }) => mountPoint,
  );
}

function isMounted(directory: string): boolean {
  return mountPoints().includes(directory);
}

async function hashFile(file: string): Promise<string> {
  await run(["sync", "--file-system", file]);
  const hash = createHash("sha256");
  for await (const chunk of fs.createReadStream(file)) {
    hash.update(chunk as Buffer);
  }
  return hash.digest("hex");
}
