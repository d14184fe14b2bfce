// runner: tier=first seconds=15
import fs from "fs-extra";
import path from "node:path";
import t, { type Test } from "tap";
import { run } from "../../../fixtures/run.ts";
import {
  compareListings,
  entryOf,
  listTree,
} from "../../../fixtures/tree-listing.ts";
import { parseMountinfo } from "../../../runtime/disk/mounts.ts";
import { parseState } from "../../../runtime/records/rwlayer-state.ts";
import {
  makeBootDisk,
  rehearse,
  type BootDisk,
  type Rehearsal,
} from "../boot-disk.ts";

const LAYERS = ".dockroot/layers";

const ext4 = await makeBootDisk(t, "overlay", addOddities, "ext4");
const xfs = await makeBootDisk(t, "overlay-xfs", addOddities, "xfs");

/** What the kernel shows only where the layers were linked as they are. */
async function addOddities(tree: string): Promise<void> {
  await fs.outputFile(`${tree}/etc/one-name`, "two names\n");
  await fs.link(`${tree}/etc/one-name`, `${tree}/etc/another-name`);
  await fs.writeFile(`${tree}/.dockerenv`, "");
}

const rootOf = (machine: Rehearsal) => path.join(machine.runDirectory, "root");

const topOf = (machine: Rehearsal) =>
  path.join(machine.runDirectory, "toplevel");

function boot(t: Test, machine: Rehearsal, options = ""): void {
  const { status, stderr } = machine.boot(options);
  t.equal(status, 0, stderr);
}

function finish(t: Test, machine: Rehearsal): void {
  const { status, stderr } = machine.finish();
  t.equal(status, 0, stderr);
}

const mountAt = (at: string) =>
  parseMountinfo(fs.readFileSync("/proc/self/mountinfo", "utf8")).find(
    ({ mountPoint }) => mountPoint === at,
  );

const recordIn = (root: string) =>
  parseState(fs.readFileSync(`${root}/root.json`, "utf8")).subvolumes[0];

for (const disk of [ext4, xfs]) {
  await t.test(`${disk.fsType}: a root is an overlay`, async (t) => {
    const machine = rehearse(t, disk, "fresh");
    const traces = await disk.traces();
    const store = await disk.look(async (top) => {
      const drivers = `${top}/docker/overlay2`;
      const layers = fs
        .readdirSync(drivers)
        .map((name) => `${drivers}/${name}/diff`)
        .filter((layer) => fs.existsSync(layer));
      const mark = ["setfattr", "-n", "user.note", "-v", "of the image"];
      await run([...mark, ...layers]);
      return listTree(`${top}/docker`);
    });
    boot(t, machine);
    const record = machine.record();
    t.match(record, {
      ...{ result: "fresh", isOverlay: true, root: "fresh", warnings: [] },
      image: { reference: "system:1", id: disk.ids["system:1"] },
    });
    const root = rootOf(machine);
    t.match(mountAt(root), { fsType: "overlay", device: /./ });
    t.notOk(fs.existsSync(`${root}/.dockerenv`), "left over by an engine");
    const note = ["getfattr", "--only-values", "-n", "user.note"];
    t.match(await run([...note, root]), "of the image");
    fs.writeFileSync(`${root}/etc/written`, "mine");
    fs.rmSync(`${root}/etc/another-name`);
    finish(t, machine);
    t.equal(mountAt(root), undefined, "nobody has taken it");
    t.strictSame(await disk.traces(), traces);

    await disk.look(async (top) => {
      t.equal(recordIn(`${top}/fresh`)?.uuid, record.subvolumeUuid);
      t.equal(fs.statSync(`${top}/fresh`).mode & 0o777, 0o700);
      const after = listTree(`${top}/docker`);
      const differences = compareListings(after, store);
      t.strictSame(
        differences.filter((line) => !/nlink|links/.test(line)),
        [],
        "the store's files have another name each, and nothing else",
      );
    });

    boot(t, machine);
    t.notOk(fs.existsSync(`${root}/etc/written`), "a new root");
    t.ok(fs.existsSync(`${root}/etc/another-name`));
    finish(t, machine);
    await disk.look((top) => {
      const generation = `${top}/.dockroot/fresh/generations/1/upper`;
      t.equal(fs.readFileSync(`${generation}/etc/written`, "utf8"), "mine");
    });
    boot(t, machine, "dockroot.root=.dockroot/fresh/generations/1");
    t.match(machine.record(), {
      ...{ result: "generation", boot: 1 },
      root: ".dockroot/fresh/generations/1",
    });
    t.equal(fs.readFileSync(`${root}/etc/written`, "utf8"), "mine");
    t.notOk(fs.existsSync(`${root}/etc/another-name`));
    finish(t, machine);
  });

  await t.test(
    `${disk.fsType}: what an engine prunes stays in roots, and an earlier root boots`,
    async (t) => {
      const machine = rehearse(t, disk, "pruned");
      boot(t, machine);
      const root = rootOf(machine);
      const whole = listTree(root);
      const store = path.join(topOf(machine), "docker");
      const copy = path.join(topOf(machine), "docker.copy");
      await run(["cp", "-al", "--", store, copy]);
      fs.rmSync(store, { recursive: true });
      t.strictSame(compareListings(listTree(root), whole), []);
      finish(t, machine);
      boot(t, machine, "dockroot.fallback=last");
      t.match(machine.record(), {
        ...{ result: "fallback", boot: 1, restored: null },
        failure: { code: "STORE_MISSING" },
      });
      t.match(entryOf(listTree(root), "sbin/init"), { kind: "file" });
      finish(t, machine);
      await disk.look((top) => {
        fs.renameSync(`${top}/docker.copy`, `${top}/docker`);
      });
    },
  );
}

await t.test("a top layer is merged through the overlay", async (t) => {
  const options = `docker_image=system:1 toplayer=LABEL=${ext4.label} toplayer_path=files`;
  await ext4.look(async (top) => {
    await fs.outputFile(`${top}/files/etc/hostname`, "mine\n");
    await fs.outputFile(`${top}/files/etc/new/file`, "new\n");
    await fs.outputFile(`${top}/files/etc/.wh.one-name`, "");
    await run(["mknod", `${top}/files/etc/another-name`, "c", "0", "0"]);
    await run([
      ...["setfattr", "-n", "user.note", "-v", "kept"],
      `${top}/files/etc/hostname`,
    ]);
  });
  const machine = rehearse(t, ext4, "layered", options);
  boot(t, machine);
  const root = rootOf(machine);
  t.equal(fs.readFileSync(`${root}/etc/hostname`, "utf8"), "mine\n");
  t.equal(fs.readFileSync(`${root}/etc/new/file`, "utf8"), "new\n");
  t.notOk(fs.existsSync(`${root}/etc/one-name`), "a whiteout");
  t.ok(fs.existsSync(`${root}/etc/another-name`));
  t.match(
    machine.warnings().join("\n"),
    /etc\/another-name is not a valid whiteout/,
  );
  t.match(
    await run([
      ...["getfattr", "--only-values", "-n", "user.note"],
      `${root}/etc/hostname`,
    ]),
    "kept",
  );
  finish(t, machine);

  const keep = `${options} dockroot.rwlayer=keep dockroot.toplayer=always`;
  boot(t, machine, keep);
  t.match(machine.record(), { result: "kept", boot: 1 });
  fs.writeFileSync(`${root}/etc/written`, "mine");
  fs.rmSync(`${root}/etc/another-name`);
  finish(t, machine);
  await ext4.look((top) =>
    fs.outputFile(`${top}/files/etc/hostname`, "next\n"),
  );
  boot(t, machine, keep);
  t.match(machine.record(), { result: "kept", boot: 2 });
  t.equal(fs.readFileSync(`${root}/etc/hostname`, "utf8"), "next\n");
  t.equal(fs.readFileSync(`${root}/etc/written`, "utf8"), "mine");
  t.notOk(fs.existsSync(`${root}/etc/another-name`), "what was deleted, too");
  finish(t, machine);
});

await t.test("layers go with the last root that is made of them", async (t) => {
  const machine = rehearse(t, xfs, "several", "docker_image=system:2");
  const held = () => xfs.look((top) => fs.readdirSync(`${top}/${LAYERS}`));
  boot(t, machine);
  finish(t, machine);
  const both = await held();
  const own = await xfs.look((top) => recordIn(`${top}/several`)?.layers ?? []);
  for (const options of ["", "", "dockroot.generations=0"]) {
    boot(t, machine, `docker_image=system:1 ${options}`);
    finish(t, machine);
  }
  const left = await held();
  t.strictSame(
    both.filter((key) => !left.includes(key)),
    own.slice(0, 1),
    "the one that system:2 adds",
  );
  await xfs.look((top) => {
    t.strictSame(fs.readdirSync(`${top}/.dockroot/several/generations`), []);
    t.strictSame(fs.readdirSync(`${top}/.dockroot/several/trash`), []);
  });
});

await t.test("a root whose layer is gone cannot serve", async (t) => {
  const machine = rehearse(t, ext4, "gone", "docker_image=system:2");
  const options = "dockroot.fallback=last docker_image=none:1";
  for (const image of ["system:1", "system:2"]) {
    boot(t, machine, `docker_image=${image}`);
    finish(t, machine);
  }
  await ext4.look((top) => {
    const [key = ""] = recordIn(`${top}/gone`)?.layers ?? [];
    fs.rmSync(`${top}/${LAYERS}/${key}`, { recursive: true });
  });
  boot(t, machine, options);
  const { warnings, ...record } = machine.record();
  t.match(record, {
    ...{ result: "fallback", boot: 1 },
    restored: ".dockroot/gone/generations/1",
  });
  t.match(
    warnings.join("\n"),
    /cannot be mounted: its layer [0-9a-f]+ is not in/,
  );
  finish(t, machine);
});

await t.test("what dockroot did not make is left alone", async (t) => {
  const places = (name: string) => [name, `.dockroot/${name}/staging`];
  for (const [index, place] of [
    ...places("mine0"),
    ...places("mine1"),
  ].entries()) {
    const name = `mine${String(Math.floor(index / 2))}`;
    const machine = rehearse(t, ext4, name);
    await ext4.look(async (top) => {
      await fs.outputFile(`${top}/${place}/file`, "mine");
      if (index >= 2) await fs.outputFile(`${top}/${place}/root.json`, "{");
    });
    const { status, stderr } = machine.boot();
    t.equal(status, 1, place);
    t.match(stderr, /did not make it/);
    await ext4.look((top) => {
      t.equal(fs.readFileSync(`${top}/${place}/file`, "utf8"), "mine");
      fs.rmSync(`${top}/${place}`, { recursive: true });
    });
  }
});

await t.test("a root that was about to be made is made anew", async (t) => {
  const machine = rehearse(t, ext4, "begun");
  for (const files of [[], ["root.json"], ["root.json", "upper/x", "work/y"]]) {
    await ext4.look(async (top) => {
      const staging = `${top}/.dockroot/begun/staging`;
      await fs.mkdirp(staging);
      for (const file of files) await fs.outputFile(`${staging}/${file}`, "");
    });
    boot(t, machine);
    t.match(
      machine.record().warnings.join(),
      /an earlier boot was interrupted/,
    );
    finish(t, machine);
  }
});

await t.test("an option for the other kind of root is told", async (t) => {
  const btrfs = await makeBootDisk(t, "overlay-btrfs");
  const refusal = async (disk: BootDisk, options: string) => {
    const machine = rehearse(t, disk, "other");
    const cmdline = `${machine.runDirectory}/../other-cmdline`;
    await fs.writeFile(
      cmdline,
      `root=LABEL=${disk.label} docker_path=docker docker_image=system:1 dockroot.fallback=none ${options}`,
    );
    const { status, stderr } = machine.boot("", "--cmdline", cmdline);
    t.equal(status, 1);
    return stderr;
  };
  t.match(
    await refusal(ext4, "rootflags=subvol=a"),
    /holds ext4 and not btrfs[^]*leave subvol= out of rootflags=/,
  );
  t.match(
    await refusal(btrfs, ""),
    /rootflags= has no subvol=NAME, and the image's layers are subvolumes/,
  );
});

await t.test("what is written can stay in memory", async (t) => {
  const machine = rehearse(t, ext4, "volatile");
  boot(t, machine);
  const { subvolumeUuid } = machine.record();
  finish(t, machine);
  const traces = await ext4.traces();
  boot(t, machine, "dockroot.upper=tmpfs docker_image=system:2");
  t.match(machine.record(), {
    ...{ result: "fresh", boot: 2 },
    image: { reference: "system:2" },
  });
  const root = rootOf(machine);
  t.equal(fs.readFileSync(`${root}/etc/second`, "utf8"), "only in system:2\n");
  fs.writeFileSync(`${root}/etc/written`, "gone");
  finish(t, machine);
  t.strictSame(await ext4.traces(), traces);
  await ext4.look((top) => {
    t.equal(recordIn(`${top}/volatile`)?.uuid, subvolumeUuid);
    t.strictSame(fs.readdirSync(`${top}/.dockroot/volatile`), ["generations"]);
    t.notOk(fs.existsSync(`${top}/volatile/upper/etc/written`));
  });
});

await t.test("a dry run looks at a disk that is in use", async (t) => {
  for (const disk of [ext4, xfs]) {
    const machine = rehearse(t, disk, "dry");
    const traces = await disk.traces();
    await disk.look((top) => {
      const before = listTree(top);
      const { status, stdout, stderr } = machine.boot("", "--dry-run");
      t.equal(status, 0, stderr);
      t.match(stdout, /mount the overlay dry as root/);
      t.strictSame(compareListings(listTree(top), before), []);
    });
    t.strictSame(await disk.traces(), traces);
  }
});
