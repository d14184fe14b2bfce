// runner: tier=first seconds=6
import fs from "node:fs";
import t from "tap";
import { compareListings, listTree } from "../../../fixtures/tree-listing.ts";
import { makeBootDisk, rehearse } from "../boot-disk.ts";

const disk = await makeBootDisk(t, "state");

await t.test("the state tells of each subvolume that is ours", async (t) => {
  const machine = rehearse(t, disk, "told");
  for (let starts = 1; starts <= 2; starts += 1) {
    t.equal(machine.boot(`docker_image=system:${String(starts)}`).status, 0);
    t.equal(machine.finish().status, 0);
  }
  const subvolumes = await disk.subvolumes();
  const state = await disk.look((top): unknown =>
    JSON.parse(fs.readFileSync(`${top}/.dockroot/told/state.json`, "utf8")),
  );
  const record = (path: string, boot: number, reference: string) => ({
    ...{ uuid: subvolumes[path], boot, complete: true, toplayer: null },
    image: {
      reference,
      id: disk.ids[reference as keyof typeof disk.ids],
    },
    source: /^docker\/btrfs\/subvolumes\/[0-9a-f]{64}$/,
  });
  t.match(state, {
    ...{ version: 2, rwlayer: "told" },
    subvolumes: [
      record(".dockroot/told/generations/1", 1, "system:1"),
      record("told", 2, "system:2"),
    ],
  });
});

for (const [what, damage] of Object.entries<(file: string) => void>({
  "that is gone": (file) => {
    fs.rmSync(file);
  },
  "that is cut off": (file) => {
    fs.truncateSync(file, 100);
  },
  "that is empty": (file) => {
    fs.truncateSync(file, 0);
  },
  "that is a directory": (file) => {
    fs.rmSync(file);
    fs.mkdirSync(file);
  },
})) {
  await t.test(`a state file ${what} costs no subvolume`, async (t) => {
    const name = `damaged-${what.replaceAll(" ", "-")}`;
    const machine = rehearse(
      t,
      disk,
      name,
      "docker_image=system:1 dockroot.generations=5",
    );
    t.equal(machine.boot().status, 0);
    t.equal(machine.finish().status, 0);
    t.equal(machine.boot().status, 0);
    t.equal(machine.finish().status, 0);
    const own = `.dockroot/${name}`;
    const generation = (top: string) => `${top}/${own}/generations/1`;
    const before = await disk.look((top) => {
      damage(`${top}/${own}/state.json`);
      return listTree(generation(top));
    });
    const subvolumes = await disk.subvolumes();

    const { status, stderr } = machine.boot();
    t.equal(status, 0, stderr);
    t.match(stderr, new RegExp(`does not list the subvolume ${name}, but its`));
    t.equal(machine.record().result, "fresh");
    const finished = machine.finish();
    t.equal(finished.status, 0, finished.stderr);
    t.match(
      finished.stderr,
      /does not list the subvolume \S+\/generations\/1, but its own record/,
    );
    t.equal(
      (await disk.subvolumes())[`${own}/generations/2`],
      subvolumes[name],
      "the root that was there is a generation",
    );
    await disk.look((top) => {
      t.strictSame(compareListings(listTree(generation(top)), before), []);
      t.equal(
        fs.existsSync(`${top}/${own}/state.json.damaged`),
        what !== "that is gone",
        "a damaged file is kept",
      );
    });
    t.equal(machine.boot().status, 0, "and the next boot is as ever");
    t.equal(machine.finish().status, 0);
  });
}

await t.test("the state of a newer dockroot is left as it is", async (t) => {
  const machine = rehearse(t, disk, "newer");
  t.equal(machine.boot().status, 0);
  t.equal(machine.finish().status, 0);
  const file = ".dockroot/newer/state.json";
  await disk.look((top) => {
    fs.writeFileSync(`${top}/${file}`, '{"version":3}');
    fs.renameSync(`${top}/newer`, `${top}/newer.old`);
  });
  const { status, stderr } = machine.boot();
  t.equal(status, 1);
  t.match(stderr, /state\.json was written by a newer dockroot/);
  await disk.look((top) => {
    t.equal(fs.readFileSync(`${top}/${file}`, "utf8"), '{"version":3}');
  });
});
