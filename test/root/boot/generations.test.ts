// runner: tier=first seconds=10
import { spawnSync } from "node:child_process";
import fs from "fs-extra";
import path from "node:path";
import t from "tap";
import { run } from "../../../fixtures/run.ts";
import { compareListings, listTree } from "../../../fixtures/tree-listing.ts";
import type { RwlayerState } from "../../../runtime/records/rwlayer-state.ts";
import { executable } from "../../binary/run-dockroot.ts";
import { makeBootDisk, rehearse } from "../boot-disk.ts";
import { withTimes } from "../failures.ts";

const disk = await makeBootDisk(t, "generations");
const subvolume = (command: string, ...args: string[]) =>
  run(["btrfs", "subvolume", command, ...args]);

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

      const root = `${top}/nest`;
      // An engine's own, which go with the root.
      const inside = `${root}/var/lib/docker`;
      const id = (file: string) =>
        run(["btrfs", "inspect-internal", "rootid", file]);
      // A name that looks like a line of the list: a neighbour would be nested in the rwlayer.
      const forged = `x\nID ${await id(`${top}/other`)} gen 1 cgen 1 top level ${await id(root)} path y`;
      fs.mkdirpSync(inside);
      await subvolume("create", `${root}/var/lib/machines`);
      await subvolume("create", `${root}/srv/empty`);
      for (const name of [
        ...["a b", "a b/c  d"],
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
      await subvolume("snapshot", root, `${top}/copy of nest`);
    });
    const bases = ".dockroot/nest/bases";
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
              !/^(?:nest|\.dockroot\/nest(?:\/generations|\/state\.json)?)?$|^nest\/|^\.dockroot\/nest\/bases(?:\/|$)/.test(
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
    t.match(
      said,
      /generations\/3 cannot be proved to be dockroot's own and is left alone/,
    );

    const { [`${bases}/2`]: base, ...after } = await disk.subvolumes();
    t.ok(base, "the new one has a base");
    const gone = [...inside, `${bases}/1`];
    const expected = Object.fromEntries(
      Object.entries(before).filter(([name]) => !gone.includes(name)),
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
    t.match(stderr, /warning: cannot remove .*generations\/2: btrfs /);
    t.strictSame(
      Object.keys(await disk.subvolumes())
        .filter((name) => name.startsWith(generations))
        .toSorted(),
      [`${generations}/2`, `${generations}/4`],
    );
    const state = await disk.look((top) =>
      fs.readFileSync(`${top}/.dockroot/stuck/state.json`, "utf8"),
    );
    const stuck = (await disk.subvolumes())[`${generations}/2`];
    const { subvolumes } = JSON.parse(state) as RwlayerState;
    t.equal(
      subvolumes.find(({ uuid }) => uuid === stuck)?.complete,
      true,
      "one without others in it goes at once, or not: it is whole",
    );
    await disk.look((top) => subvolume("set-default", "5", top));
    t.equal(machine.boot("dockroot.generations=1").status, 0);
    t.equal(machine.finish().status, 0);
    t.notOk((await disk.subvolumes())[`${generations}/2`], "goes when it can");
  },
);

await t.test(
  "a root with subvolumes that its user made stays, and says which",
  async (t) => {
    const machine = rehearse(t, disk, "mine");
    const start = (options = "dockroot.generations=1") => {
      t.equal(machine.boot(options).status, 0);
      const { status, stderr } = machine.finish();
      t.equal(status, 0, stderr);
      return stderr;
    };
    start();
    await disk.look(async (top) => {
      const root = `${top}/mine`;
      fs.mkdirpSync(`${root}/var/lib`);
      for (const name of ["home", "home/data", "var/lib/machines", "none"]) {
        await subvolume("create", `${root}/${name}`);
      }
      fs.writeFileSync(`${root}/home/data/file`, "mine");
    });
    start();
    const own = ".dockroot/mine/generations/1";
    t.match(
      start(),
      `warning: ${own} is kept: dockroot did not make the subvolumes ${own}/home/data, ${own}/home in it. Move or delete them, with the filesystem mounted with -o subvolid=5\n`,
    );
    start();
    const generations = async () =>
      disk.look((top) =>
        fs.readdirSync(`${top}/.dockroot/mine/generations`).toSorted(),
      );
    t.strictSame(await generations(), ["1", "3"], "it alone is kept");
    await disk.look(async (top) => {
      t.equal(fs.readFileSync(`${top}/${own}/home/data/file`, "utf8"), "mine");
      fs.renameSync(`${top}/${own}/home/data`, `${top}/saved`);
    });
    start();
    t.strictSame(await generations(), ["4"], "and goes when they are gone");
  },
);

await t.test("what was carried over goes with the former root", async (t) => {
  const machine = rehearse(
    t,
    disk,
    "carried",
    "docker_image=system:1 dockroot.rwlayer=keep dockroot.toplayer=always",
  );
  const generations = () =>
    disk.look((top) =>
      fs.readdirSync(`${top}/.dockroot/carried/generations`).toSorted(),
    );
  let layers = 0;
  const start = async (limit: number) => {
    layers += 1;
    const layer = `layer-${String(layers)}`;
    await disk.look((top) => {
      fs.outputFileSync(`${top}/${layer}/etc/${layer}`, "");
    });
    const options = `toplayer=LABEL=${disk.label} toplayer_path=${layer} dockroot.generations=${String(limit)}`;
    t.equal(machine.boot(options).status, 0);
    const { status, stderr } = machine.finish();
    t.equal(status, 0, stderr);
    return stderr;
  };
  await start(0);
  await disk.look(async (top) => {
    await subvolume("create", `${top}/carried/data`);
    fs.writeFileSync(`${top}/carried/data/file`, "mine");
  });
  await start(0);
  t.strictSame(await generations(), []);
  for (let starts = 0; starts < 3; starts += 1) {
    t.notMatch(await start(1), "is kept");
  }
  t.strictSame(await generations(), ["3"]);
  await disk.look((top) => {
    t.equal(fs.readFileSync(`${top}/carried/data/file`, "utf8"), "mine");
    t.comment("as a generation that is booted may");
    const former = `${top}/.dockroot/carried/generations/3`;
    fs.writeFileSync(`${former}/data/later`, "mine, too");
  });
  t.match(
    await start(0),
    /generations\/3 is kept: .*generations\/3\/data in it/,
  );
  t.strictSame(await generations(), ["3"]);
});

await t.test(
  "starts that come to nothing push out no root that was used",
  async (t) => {
    const machine = rehearse(t, disk, "used");
    const own = ".dockroot/used/generations";
    const generations = async () =>
      Object.keys(await disk.subvolumes())
        .filter((name) => name.startsWith(own))
        .map((name) => path.basename(name));
    const start = (finishes: boolean) => {
      t.equal(machine.boot().status, 0);
      if (finishes) t.equal(machine.finish().status, 0);
    };
    start(true);
    await disk.look(async (top) => {
      for (let minutes = 0; minutes < 10; minutes += 0.5) {
        fs.appendFileSync(`${top}/used/work`, "written\n");
        await run(["btrfs", "filesystem", "sync", top]);
      }
    });
    t.comment("killed before its finish");
    for (let starts = 0; starts < 3; starts += 1) start(false);
    t.comment("handed over to an init that does not come far");
    for (let starts = 0; starts < 3; starts += 1) {
      start(true);
      await disk.look((top) => {
        fs.writeFileSync(`${top}/used/journal`, "kernel panic\n");
      });
    }
    start(true);
    t.strictSame(await generations(), ["1", "7"], "of those the newest stays");
    t.match(
      await disk.look((top) => fs.readFileSync(`${top}/${own}/1/work`, "utf8")),
      "written\nwritten\n",
    );
    await disk.look(async (top) => {
      for (let count = 0; count < 20; count += 1) {
        fs.appendFileSync(`${top}/used/work`, "more\n");
        await run(["btrfs", "filesystem", "sync", top]);
      }
    });
    start(true);
    t.strictSame(await generations(), ["8"], "one that was used does");
  },
);

await t.test("nor do many of one root, which is kept", async (t) => {
  const machine = rehearse(t, disk, "kept");
  const start = (options: string) => {
    t.equal(machine.boot(options).status, 0);
    t.equal(machine.finish().status, 0);
  };
  const write = (transactions: number) =>
    disk.look(async (top) => {
      for (let count = 0; count < transactions; count += 1) {
        fs.appendFileSync(`${top}/kept/written`, "more\n");
        await run(["btrfs", "filesystem", "sync", top]);
      }
    });
  start("");
  await write(20);
  start("");
  for (let starts = 0; starts < 4; starts += 1) {
    await write(6);
    start("dockroot.rwlayer=keep");
  }
  start("");
  t.strictSame(
    await disk.look((top) =>
      fs.readdirSync(`${top}/.dockroot/kept/generations`).toSorted(),
    ),
    ["1", "2"],
  );
});

await t.test("numbers that were put there are stepped around", async (t) => {
  const machine = rehearse(t, disk, "numbers");
  await disk.look(async (top) => {
    const own = `${top}/.dockroot/numbers/generations`;
    fs.mkdirpSync(own);
    for (const name of ["999999999999999", "999999999", "7"]) {
      await subvolume("create", `${own}/${name}`);
    }
  });
  for (let starts = 1; starts <= 4; starts += 1) {
    t.equal(machine.boot("dockroot.generations=2").status, 0);
    t.equal(machine.record().result, "fresh");
    t.equal(machine.finish().status, 0);
  }
  t.strictSame(
    (
      await disk.look((top) =>
        fs.readdirSync(`${top}/.dockroot/numbers/generations`),
      )
    )
      .map(Number)
      .toSorted((a, b) => a - b),
    [7, 9, 10, 999999999, 999999999999999],
  );
});

await t.test("a rwlayer inside of a rwlayer is refused", async (t) => {
  const outer = rehearse(t, disk, "outer");
  t.equal(outer.boot().status, 0);
  t.equal(outer.finish().status, 0);
  const inner = rehearse(t, disk, "outer/srv/inner");
  const { status, stderr } = inner.boot();
  t.equal(status, 1);
  t.match(
    stderr,
    "the rwlayer's place outer/srv/inner cannot be used: outer is a rwlayer itself, and is replaced as a whole",
  );
});

await t.test(
  "nothing is forgotten where btrfs prints an odd list",
  async (t) => {
    const machine = rehearse(t, disk, "odd-list");
    for (let starts = 0; starts < 2; starts += 1) {
      t.equal(machine.boot("dockroot.generations=0").status, 0);
      if (starts === 0) t.equal(machine.finish().status, 0);
    }
    const read = () =>
      disk.look((top) =>
        fs.readFileSync(`${top}/.dockroot/odd-list/state.json`, "utf8"),
      );
    const before = await read();
    const btrfs = await run(["which", "btrfs"]);
    const copy = path.join(disk.scratch, "btrfs");
    fs.copyFileSync(btrfs, copy);
    const odd = path.join(disk.scratch, "odd");
    fs.writeFileSync(
      odd,
      `#!/bin/sh\n[ "$2" != list ] || exit 0\nexec ${copy} "$@"\n`,
      { mode: 0o755 },
    );
    const script = 'mount --bind "$1" "$2" && exec "$0" finish --run-dir "$3"';
    const { status, stderr } = spawnSync(
      "unshare",
      [
        ...["--mount", "--propagation", "private", "--", "sh", "-c", script],
        ...[executable, odd, btrfs, machine.runDirectory],
      ],
      { encoding: "utf8" },
    );
    t.equal(status, 0, stderr);
    t.match(
      stderr,
      "warning: btrfs subvolume list does not list the root odd-list",
    );
    t.equal(await read(), before);
    t.equal(machine.finish().status, 0);
  },
);
