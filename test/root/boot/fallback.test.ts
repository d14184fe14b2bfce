// runner: tier=first seconds=10
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import t, { type Test } from "tap";
import { run } from "../../../fixtures/run.ts";
import { executable } from "../../binary/run-dockroot.ts";
import { compareListings, listTree } from "../../../fixtures/tree-listing.ts";
import {
  lookAt,
  makeBootDisk,
  rehearse,
  type BootDisk,
  type Rehearsal,
} from "../boot-disk.ts";

const disk = await makeBootDisk(t, "fallback");
const LAST = "dockroot.fallback=last";

/** A boot that works, and what a user then writes. */
async function bootAndWrite(
  t: Test,
  machine: Rehearsal,
  written: string,
  options = "",
): Promise<string> {
  const { status, stderr } = machine.boot(options);
  t.equal(status, 0, stderr);
  t.equal(machine.record().result, "fresh");
  t.equal(machine.finish().status, 0);
  await disk.look((top) => {
    fs.writeFileSync(`${top}/${machine.rwlayer}/written`, written);
  });
  return machine.record().subvolumeUuid;
}

const writtenIn = ({ look }: BootDisk, file: string) =>
  look((top) => fs.readFileSync(`${top}/${file}/written`, "utf8"));

await t.test(
  "where no new root can be made, the one that is there boots, and says so",
  async (t) => {
    const machine = rehearse(t, disk, "there");
    const uuid = await bootAndWrite(t, machine, "mine");
    for (const [options, code] of [
      ["docker_image=gone:1", "IMAGE_MISSING"],
      ["docker_path=nowhere", "STORE_MISSING"],
      ["toplayer=LABEL=gone rootdelay=0", "DEVICE_NOT_FOUND"],
      ["docker_image=bare:1", "INIT_MISSING"],
      ["docker_image=NO", "INVALID_REFERENCE"],
    ] as const) {
      const before = await disk.look((top) => listTree(`${top}/there`));
      const { status, stderr } = machine.boot(`${LAST} ${options}`);
      t.equal(status, 0, stderr);
      const record = machine.record();
      t.match(record, {
        ...{ result: "fallback", subvolumeUuid: uuid, restored: null },
        ...{ rwlayer: "there", boot: 1, failure: { code } },
        image: { reference: "system:1" },
      });
      t.match(stderr, /A FORMER ROOT BOOTS INSTEAD/);
      t.match(stderr, record.failure?.message);
      t.match(stderr, /what to do: /);
      t.equal(machine.finish().status, 0);
      await disk.look((top) => {
        const after = listTree(`${top}/there`);
        t.strictSame(compareListings(after, before), [], "it is untouched");
        t.notOk(fs.existsSync(`${top}/.dockroot/there/staging`));
        const log = `${top}/.dockroot/there/last-failure.log`;
        t.match(fs.readFileSync(log, "utf8"), record.failure?.message);
        t.equal(fs.statSync(log).mode & 0o777, 0o600);
      });
    }
    const stopped = machine.boot("docker_image=gone:1");
    t.equal(stopped.status, 1, "dockroot.fallback=none stops");
    t.equal(machine.record().result, "failed");
    await bootAndWrite(t, machine, "next");
    t.equal(await writtenIn(disk, ".dockroot/there/generations/1"), "mine");
  },
);

await t.test("though the console takes nothing", async (t) => {
  const machine = rehearse(t, disk, "deaf");
  await bootAndWrite(t, machine, "mine");
  machine.boot(`${LAST} docker_image=gone:1`);
  const full = fs.openSync("/dev/full", "w");
  const files = `${machine.runDirectory}/..`;
  const { status } = spawnSync(
    executable,
    [
      ...["boot", "--cmdline", `${files}/cmdline`, "--json"],
      ...["--config", `${files}/config.json`],
      ...["--run-dir", machine.runDirectory],
    ],
    { stdio: ["ignore", full, full] },
  );
  fs.closeSync(full);
  t.equal(status, 0);
  t.equal(machine.record().result, "fallback");
  t.equal(machine.finish().status, 0);
});

await t.test("with a configuration that is damaged, too", async (t) => {
  const machine = rehearse(t, disk, "config");
  await bootAndWrite(t, machine, "mine");
  const config = `${machine.runDirectory}/../config.json`;
  fs.writeFileSync(config, "{");
  t.equal(machine.boot(LAST).status, 0);
  t.match(machine.record(), {
    result: "fallback",
    failure: { code: "INVALID_CONFIG" },
  });
  t.equal(machine.finish().status, 0);
});

await t.test(
  "a former root with the running kernel's modules is preferred",
  async (t) => {
    const machine = rehearse(t, disk, "modules");
    const keepAll = `${LAST} dockroot.generations=9`;
    const first = await bootAndWrite(t, machine, "one", keepAll);
    await bootAndWrite(t, machine, "two", keepAll);
    const third = await bootAndWrite(t, machine, "three", keepAll);
    const modules = `lib/modules/${os.release()}`;
    const own = ".dockroot/modules/generations";
    const fail = () => {
      const { status, stderr } = machine.boot(`${keepAll} docker_image=gone:1`);
      t.equal(status, 0, stderr);
      t.equal(machine.finish().status, 0);
      return stderr;
    };
    await disk.look((top) => {
      for (const root of ["modules", `${own}/1`, `${own}/2`]) {
        fs.rmSync(`${top}/${root}/${modules}`, { recursive: true });
      }
    });
    const said = fail();
    const missing = { subvolumeUuid: third, hasModules: false };
    t.match(machine.record(), missing, "where none has them");
    t.match(
      said.slice(said.indexOf("A FORMER ROOT BOOTS INSTEAD")),
      `warning: the earlier root modules has no /${modules}: `,
      "the frame says that they are missing",
    );

    await disk.look((top) =>
      fs.mkdirSync(`${top}/${own}/1/${modules}`, { recursive: true }),
    );
    t.notMatch(fail(), /has no \/lib\/modules/);
    t.match(machine.record(), {
      ...{ subvolumeUuid: first, restored: `${own}/1`, hasModules: true },
    });
    t.equal(await writtenIn(disk, `${own}/3`), "three", "nothing is lost");
    fail();
    t.match(machine.record(), { subvolumeUuid: first, restored: null });

    const asked = machine.boot(`rootflags=subvol=${own}/3`);
    t.match(asked.stderr, /THE SYSTEM STARTS WITHOUT MOST OF ITS DRIVERS/);
    t.match(machine.record(), { result: "generation", hasModules: false });
  },
);

await t.test(
  "where there is no rwlayer, the newest complete generation is put back",
  async (t) => {
    const machine = rehearse(t, disk, "back");
    const keepAll = "dockroot.generations=9";
    await bootAndWrite(t, machine, "one", keepAll);
    await bootAndWrite(t, machine, "two", keepAll);
    const uuid = await bootAndWrite(t, machine, "three", keepAll);
    const own = ".dockroot/back/generations";
    await disk.look(async (top) => {
      // Between the two renames, and two generations that cannot boot.
      fs.renameSync(`${top}/back`, `${top}/${own}/3`);
      fs.rmSync(`${top}/${own}/2/sbin/init`);
      await run([
        "btrfs",
        "subvolume",
        "snapshot",
        `${top}/${own}/1`,
        `${top}/${own}/4`,
      ]);
    });
    t.equal(machine.boot(`${LAST} docker_image=gone:1`).status, 0);
    t.match(machine.record(), {
      ...{ result: "fallback", subvolumeUuid: uuid },
      ...{ restored: `${own}/3`, boot: 3 },
    });
    t.equal(machine.finish().status, 0);
    t.equal(await writtenIn(disk, "back"), "three");
    t.strictSame(
      await disk.look((top) => fs.readdirSync(`${top}/${own}`)),
      ["1", "2", "4"],
      "and no generation is removed",
    );

    await disk.look((top) => {
      fs.renameSync(`${top}/back`, `${top}/${own}/3`);
      fs.rmSync(`${top}/${own}/3/sbin/init`);
    });
    t.equal(machine.boot(`${LAST} docker_image=gone:1`).status, 0);
    t.equal(machine.record().restored, `${own}/1`, "the newest that can boot");
    t.match(machine.record().warnings, [
      /generations\/3 cannot boot/,
      /generations\/2 cannot boot/,
    ]);
    t.equal(machine.finish().status, 0);
    t.equal(await writtenIn(disk, "back"), "one");
    await bootAndWrite(t, machine, "five", keepAll);
  },
);

await t.test(
  "a rwlayer without an init gives way to a generation",
  async (t) => {
    const machine = rehearse(t, disk, "broken");
    await bootAndWrite(t, machine, "whole");
    await bootAndWrite(t, machine, "broken");
    await disk.look((top) => {
      fs.rmSync(`${top}/broken/sbin/init`);
    });
    t.equal(machine.boot(`${LAST} docker_image=gone:1`).status, 0);
    t.match(machine.record(), { result: "fallback", boot: 1 });
    t.match(machine.record().warnings, [/the earlier root broken cannot boot/]);
    t.equal(machine.finish().status, 0);
    t.equal(await writtenIn(disk, "broken"), "whole");
    t.equal(await writtenIn(disk, ".dockroot/broken/generations/2"), "broken");
  },
);

await t.test(
  "nothing is put back through a link, nor while it is in use",
  async (t) => {
    const machine = rehearse(t, disk, "roots/main");
    await disk.look((top) => {
      fs.mkdirSync(`${top}/roots`);
    });
    await bootAndWrite(t, machine, "mine");
    const generation = ".dockroot/roots%2Fmain/generations/1";
    await disk.look((top) => {
      fs.renameSync(`${top}/roots/main`, `${top}/${generation}`);
      fs.rmdirSync(`${top}/roots`);
      fs.symlinkSync("docker", `${top}/roots`);
    });
    const before = await disk.subvolumes();
    const linked = machine.boot(`${LAST} docker_image=gone:1`);
    t.equal(linked.status, 1);
    t.match(linked.stderr, /roots is not a directory/);
    t.strictSame(await disk.subvolumes(), before);

    await disk.look((top) => {
      fs.unlinkSync(`${top}/roots`);
      fs.mkdirSync(`${top}/roots`);
    });
    await lookAt(
      disk.file,
      async () => {
        t.equal(machine.boot(`${LAST} docker_image=gone:1`).status, 1);
        t.strictSame(await disk.subvolumes(), before);
      },
      [`subvol=${generation}`],
    );
  },
);

await t.test("where there is none at all, the error", async (t) => {
  const machine = rehearse(t, disk, "none");
  t.equal(machine.boot(`${LAST} docker_image=gone:1`).status, 1);
  t.equal(machine.record().result, "failed");
  await disk.look(async (top) => {
    const log = `${top}/.dockroot/none/last-failure.log`;
    t.match(fs.readFileSync(log, "utf8"), /gone:1[^]*Nothing was booted/);
    await run(["btrfs", "subvolume", "create", `${top}/none`]);
    fs.mkdirSync(`${top}/none/sbin`);
    fs.writeFileSync(`${top}/none/sbin/init`, "", { mode: 0o755 });
  });
  const { status, stderr } = machine.boot(`${LAST} docker_image=gone:1`);
  t.equal(status, 1, "nor somebody else's");
  t.match(stderr, /gone:1/);
});

await t.test("a root that was never completed is not booted", async (t) => {
  const machine = rehearse(t, disk, "half");
  const uuid = await bootAndWrite(t, machine, "whole");
  t.equal(machine.boot("docker_image=bare:1").status, 1, "stops half-way");
  await disk.look((top) => {
    fs.renameSync(`${top}/half`, `${top}/.dockroot/half/generations/7`);
    fs.renameSync(`${top}/.dockroot/half/staging`, `${top}/half`);
  });
  t.equal(machine.boot(`${LAST} docker_image=gone:1`).status, 0);
  t.match(machine.record(), { subvolumeUuid: uuid, boot: 1 });
  t.equal(machine.finish().status, 0);
  t.equal(await writtenIn(disk, "half"), "whole");
  t.ok((await disk.subvolumes())[".dockroot/half/generations/8"], "it is kept");
});

await t.test("a disk that takes no writes boots what is there", async (t) => {
  const machine = rehearse(t, disk, "protected");
  const uuid = await bootAndWrite(t, machine, "mine");
  await run(["blockdev", "--setro", disk.device]);
  const { status, stderr } = machine.boot(LAST);
  const finished = machine.finish().status;
  await run(["blockdev", "--setrw", disk.device]);
  t.equal(status, 0, stderr);
  t.equal(finished, 0);
  t.match(machine.record(), {
    ...{ result: "fallback", subvolumeUuid: uuid },
    failure: { code: "DEVICE_UNSUITABLE" },
  });
});

await t.test("a generation is booted as it is", async (t) => {
  const machine = rehearse(t, disk, "systems/old");
  await disk.look((top) => {
    fs.mkdirSync(`${top}/systems`);
  });
  const uuid = await bootAndWrite(
    t,
    machine,
    "first",
    "dockroot.generations=5",
  );
  await bootAndWrite(t, machine, "second", "dockroot.generations=5");
  const before = await disk.subvolumes();
  const generation = ".dockroot/systems%2Fold/generations/1";
  const options = `rootflags=subvol=${generation} dockroot.generations=0`;
  const { status, stderr } = machine.boot(options);
  t.equal(status, 0, stderr);
  t.match(machine.record(), {
    ...{ result: "generation", root: generation, rwlayer: "systems/old" },
    ...{ subvolumeUuid: uuid, boot: 1, warnings: [] },
  });
  t.equal(machine.finish().status, 0);
  t.strictSame(await disk.subvolumes(), before, "nothing is made or removed");

  t.match(machine.boot(options, "--dry-run"), {
    status: 0,
    stdout: /an earlier root, unchanged/,
  });
  const absent = machine.boot(`${LAST} ${options.replace("/1", "/9")}`);
  t.equal(absent.status, 1);
  t.match(absent.stderr, /no generation at .*\/9[^]*that exist: 1/);
  t.strictSame(await disk.subvolumes(), before);
});
