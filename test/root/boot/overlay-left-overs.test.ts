// runner: tier=first seconds=16
import fs from "fs-extra";
import path from "node:path";
import t, { type Test } from "tap";
import { run } from "../../../fixtures/run.ts";
import { collectOverlayGarbage } from "../../../runtime/disk/overlay/collect-overlay-garbage.ts";
import { OverlayDisk } from "../../../runtime/disk/overlay/overlay-disk.ts";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";
import { parseFinishedBoot } from "../../../runtime/records/boot-record.ts";
import { parseState } from "../../../runtime/records/rwlayer-state.ts";
import { makeBootDisk, rehearse, type Rehearsal } from "../boot-disk.ts";

const LAYERS = ".dockroot/layers";

const disk = await makeBootDisk(t, "overlay-left-overs", undefined, "ext4");

const second = (machine: Rehearsal) =>
  fs.readFileSync(path.join(machine.runDirectory, "root/etc/second"), "utf8");

const [KEPT, REMOVED] = ["+i", "-i"];

/** What can be removed, or not. */
const mark = (how: string | undefined, file: string) =>
  run(["chattr", String(how), file]);

/** As if the kernel had changed a file then. */
function setChanged(file: string, afterNowSeconds: number): Promise<string> {
  const seconds = Math.floor(Date.now() / 1000) + afterNowSeconds;
  const request = `set_inode_field /${file} ctime @${String(seconds)}`;
  return run(["debugfs", "-w", "-R", request, disk.device]);
}

const stateOf = (root: string) =>
  parseState(fs.readFileSync(`${root}/root.json`, "utf8"));

const keysOf = (root: string) => stateOf(root).subvolumes[0]?.layers ?? [];

function bootAndFinish(t: Test, machine: Rehearsal, options = ""): void {
  const { status, stderr } = machine.boot(options);
  t.equal(status, 0, stderr);
  t.equal(machine.finish().status, 0);
}

await t.test("a root that is removed in part is known as ours", async (t) => {
  const machine = rehearse(t, disk, "part");
  const staging = ".dockroot/part/staging";
  t.equal(machine.boot("init=/sbin/absent").status, 1);
  await disk.look(async (top) => {
    await fs.outputFile(`${top}/${staging}/upper/etc/stays`, "");
    await mark(KEPT, `${top}/${staging}/upper/etc/stays`);
  });
  t.equal(machine.boot().status, 1);
  await disk.look(async (top) => {
    t.ok(fs.existsSync(`${top}/${staging}/root.json`));
    await mark(REMOVED, `${top}/${staging}/upper/etc/stays`);
  });
  bootAndFinish(t, machine);
  await disk.look((top) => {
    t.notOk(fs.existsSync(`${top}/${staging}`));
  });
});

await t.test("a root that cannot be removed keeps no other", async (t) => {
  const machine = rehearse(t, disk, "stuck");
  const trash = ".dockroot/stuck/trash";
  bootAndFinish(t, machine, "docker_image=system:2");
  const [key = ""] = await disk.look(async (top) => {
    await fs.outputFile(`${top}/stuck/upper/etc/stays`, "");
    await mark(KEPT, `${top}/stuck/upper/etc/stays`);
    return keysOf(`${top}/stuck`);
  });
  bootAndFinish(t, machine);
  t.equal(machine.boot("dockroot.generations=0").status, 0);
  const { status, stderr } = machine.finish();
  t.equal(status, 0);
  t.match(stderr, `cannot remove ${trash}/1, which goes on taking room: EPERM`);
  await disk.look(async (top) => {
    t.strictSame(fs.readdirSync(`${top}/.dockroot/stuck/generations`), []);
    t.strictSame(fs.readdirSync(`${top}/${trash}`), ["1"]);
    t.notOk(fs.existsSync(`${top}/${LAYERS}/${key}`));
    await mark(REMOVED, `${top}/${trash}/1/upper/etc/stays`);
  });
});

await t.test(
  "what cannot be removed keeps no layer from being held",
  async (t) => {
    const machine = rehearse(t, disk, "held");
    const stays = ".dockroot/layers.new/1/stays";
    await disk.look(async (top) => {
      await fs.outputFile(`${top}/${stays}`, "");
      await mark(KEPT, `${top}/${stays}`);
    });
    t.equal(machine.boot("docker_image=system:2").status, 0);
    t.equal(second(machine), "only in system:2\n");
    t.equal(machine.finish().status, 0);
    bootAndFinish(t, machine, "dockroot.generations=0");
    await disk.look(async (top) => {
      t.strictSame(fs.readdirSync(`${top}/.dockroot/layers.new`), ["1"]);
      await mark(REMOVED, `${top}/${stays}`);
    });
  },
);

await t.test("a layer that is removed in part is not held", async (t) => {
  const machine = rehearse(t, disk, "layer");
  bootAndFinish(t, machine, "docker_image=system:2");
  const file = await disk.look(async (top) => {
    const [key = ""] = keysOf(`${top}/layer`);
    await mark(KEPT, `${top}/${LAYERS}/${key}/etc/second`);
    return `${LAYERS}/${key}`;
  });
  for (const options of ["", "dockroot.generations=0"]) {
    bootAndFinish(t, machine, options);
  }
  await disk.look(async (top) => {
    t.notOk(fs.existsSync(`${top}/${file}`));
    const [left = ""] = fs.readdirSync(`${top}/.dockroot/layers.new`);
    await mark(REMOVED, `${top}/.dockroot/layers.new/${left}/etc/second`);
  });
  t.equal(machine.boot("docker_image=system:2").status, 0);
  t.equal(second(machine), "only in system:2\n");
  t.equal(machine.finish().status, 0);
  await disk.look((top) => {
    t.notOk(fs.existsSync(`${top}/.dockroot/layers.new`));
  });
});

await t.test("a root whose record is damaged keeps its layers", async (t) => {
  const machine = rehearse(t, disk, "damaged");
  bootAndFinish(t, machine, "docker_image=system:2");
  bootAndFinish(t, machine);
  const generation = ".dockroot/damaged/generations/1";
  const keys = await disk.look((top) => {
    const found = keysOf(`${top}/${generation}`);
    fs.writeFileSync(`${top}/${generation}/root.json`, "{");
    return found;
  });
  t.equal(machine.boot().status, 0);
  t.match(
    machine.finish().stderr,
    `no layer is removed: the root.json of ${generation} does not tell`,
  );
  await disk.look((top) => {
    const held = fs.readdirSync(`${top}/${LAYERS}`);
    for (const key of keys) t.ok(held.includes(key));
    t.ok(fs.existsSync(`${top}/${generation}/upper`));
    fs.rmSync(`${top}/${generation}`, { recursive: true });
  });
});

await t.test("boots that come to nothing push out no used root", async (t) => {
  const machine = rehearse(t, disk, "used");
  bootAndFinish(t, machine);
  const { subvolumeUuid } = machine.record();
  await disk.look((top) => fs.outputFile(`${top}/used/upper/etc/late`, ""));
  await setChanged("used/upper/etc/late", 3600);
  for (let boots = 1; boots <= 3; boots += 1) bootAndFinish(t, machine);
  await disk.look((top) => {
    const generations = `${top}/.dockroot/used/generations`;
    t.strictSame(fs.readdirSync(generations), ["1", "3"]);
    const [used] = stateOf(`${generations}/1`).subvolumes;
    t.equal(used?.uuid, subvolumeUuid);
  });
});

await t.test("a root that stands in for another is not used", async (t) => {
  const machine = rehearse(t, disk, "stand-in");
  bootAndFinish(t, machine);
  const { subvolumeUuid } = machine.record();
  await disk.look((top) => fs.outputFile(`${top}/stand-in/upper/late`, ""));
  const hour = 3600;
  await setChanged("stand-in/upper/late", hour);
  bootAndFinish(t, machine);
  await disk.look((top) => fs.outputFile(`${top}/stand-in/upper/brief`, ""));
  for (const file of ["upper/brief", "root.json"]) {
    await setChanged(`stand-in/${file}`, -hour);
  }
  const fallback = "docker_image=none:1 dockroot.fallback=last";
  t.equal(machine.boot(fallback).status, 0);
  t.match(machine.record(), { result: "fallback", root: "stand-in" });
  const boot = parseFinishedBoot(JSON.stringify(machine.record()));
  if (boot === undefined) throw new Error("it did not boot");
  await disk.look((top) => {
    const host = createHost("/", createLog([]));
    const own = new OverlayDisk(host, top, "stand-in");
    collectOverlayGarbage(own, boot, undefined, true);
    t.ok(own.readRecord("stand-in")?.bootId);
  });
  t.equal(machine.finish().status, 0);
  // No process is in it, as after a restart.
  await disk.look((top) => {
    const file = `${top}/stand-in/root.json`;
    const text = fs.readFileSync(file, "utf8");
    fs.writeFileSync(file, text.replace(/"bootId": "[^"]*"/, '"bootId": ""'));
  });
  bootAndFinish(t, machine, "dockroot.generations=1");
  await disk.look((top) => {
    const generations = `${top}/.dockroot/stand-in/generations`;
    t.strictSame(fs.readdirSync(generations), ["1", "2"]);
    const [used] = stateOf(`${generations}/1`).subvolumes;
    t.equal(used?.uuid, subvolumeUuid);
  });
});

await t.test("a root that was moved by hand keeps its layers", async (t) => {
  const machine = rehearse(t, disk, "moved");
  const places = [
    ".dockroot/moved/generations/1",
    "saved",
    ".dockroot/moved/generations/saved",
    ".dockroot/moved/saved",
  ];
  bootAndFinish(t, machine, "docker_image=system:2");
  bootAndFinish(t, machine);
  let place = "";
  for (const next of places) {
    if (place !== "") {
      const from = place;
      await disk.look((top) => {
        fs.renameSync(`${top}/${from}`, `${top}/${next}`);
      });
    }
    place = next;
    // Nothing is written to the root that is there: it stays the present one.
    bootAndFinish(t, machine, "dockroot.rwlayer=keep");
    await disk.look((top) => {
      const held = fs.readdirSync(`${top}/${LAYERS}`);
      const keys = keysOf(`${top}/${place}`);
      t.strictSame(
        keys.filter((key) => !held.includes(key)),
        [],
        place,
      );
    });
  }
});

await t.test("where a moved root was tried, unused layers go", async (t) => {
  const machine = rehearse(t, disk, "tried");
  for (let boots = 1; boots <= 2; boots += 1) bootAndFinish(t, machine);
  await disk.look(async (top) => {
    fs.renameSync(`${top}/.dockroot/tried/generations/1`, `${top}/elsewhere`);
    for (const file of ["root.json", "upper"]) {
      await fs.outputFile(`${top}/project/${file}`, "");
    }
    fs.mkdirSync(`${top}/${LAYERS}/0unused`);
  });
  const { status, stderr } = rehearse(t, disk, "elsewhere").boot();
  t.equal(status, 1);
  t.match(
    stderr,
    /elsewhere is a root of the rwlayer tried, and does not boot/,
  );
  t.match(stderr, "dockroot.root=.dockroot/tried/generations/N");
  bootAndFinish(t, machine);
  await disk.look((top) => {
    t.ok(fs.existsSync(`${top}/.dockroot/elsewhere/last-failure.log`));
    t.notOk(fs.existsSync(`${top}/${LAYERS}/0unused`));
  });
});

await t.test("a root that runs from memory stays", async (t) => {
  const machine = rehearse(t, disk, "running");
  bootAndFinish(t, machine);
  const { subvolumeUuid } = machine.record();
  t.equal(machine.boot().status, 0);
  const boot = parseFinishedBoot(JSON.stringify(machine.record()));
  if (boot === undefined) throw new Error("it did not boot");
  t.equal(machine.finish().status, 0);
  const limits = { ...boot.limits, generations: 0 };
  await disk.look((top) => {
    const host = createHost("/", createLog([]));
    const generation = `${top}/.dockroot/running/generations/1`;
    for (const [running, isKept] of [
      [{ layers: [], subvolumeUuid }, true],
      [{ layers: [] }, false],
    ] as const) {
      const own = new OverlayDisk(host, top, "running");
      collectOverlayGarbage(own, { ...boot, limits }, running, true);
      t.equal(fs.existsSync(generation), isKept);
    }
  });
});

await t.test("what is not ours in the trash is left alone", async (t) => {
  const machine = rehearse(t, disk, "trash");
  const places = ["1", "2", "mine"].map(
    (name) => `.dockroot/trash/trash/${name}`,
  );
  const [own = "", ...others] = places;
  await disk.look(async (top) => {
    await fs.mkdirp(`${top}/${own}`);
    for (const place of others) await fs.outputFile(`${top}/${place}/a`, "");
  });
  bootAndFinish(t, machine);
  await disk.look((top) => {
    t.notOk(fs.existsSync(`${top}/${own}`), "the removal was interrupted");
    for (const place of others) t.ok(fs.existsSync(`${top}/${place}/a`));
  });
});

await t.test("a boot that was killed is tried again at once", async (t) => {
  const machine = rehearse(t, disk, "killed");
  t.equal(machine.boot().status, 0);
  const { subvolumeUuid } = machine.record();
  // As if it were killed before its root was in place, too.
  const next = path.join(machine.runDirectory, "next");
  await fs.mkdirp(next);
  await run(["mount", "--bind", path.join(machine.runDirectory, "root"), next]);
  bootAndFinish(t, machine);
  t.not(machine.record().subvolumeUuid, subvolumeUuid);
});
