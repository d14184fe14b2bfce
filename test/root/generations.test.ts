// runner: tier=first seconds=4
import fs from "fs-extra";
import t from "tap";
import { run } from "../../fixtures/run.ts";
import { compareListings, listTree } from "../../fixtures/tree-listing.ts";
import type { RwlayerState } from "../../runtime/rwlayer-state.ts";
import { makeBootDisk, rehearse } from "./boot-disk.ts";
import { withTimes } from "./failures.ts";

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
    t.match(
      said,
      /generations\/3 cannot be proved to be dockroot's own and is left alone/,
    );

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
      false,
      "what may be deleted in part never stands in for a root",
    );
    await disk.look((top) => subvolume("set-default", "5", top));
    t.equal(machine.boot("dockroot.generations=1").status, 0);
    t.equal(machine.finish().status, 0);
    t.notOk((await disk.subvolumes())[`${generations}/2`], "goes when it can");
  },
);
