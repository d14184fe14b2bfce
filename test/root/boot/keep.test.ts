// runner: tier=first seconds=4
import fs from "node:fs";
import t from "tap";
import { run } from "../../../fixtures/run.ts";
import { listTree, entryOf } from "../../../fixtures/tree-listing.ts";
import { makeBootDisk, rehearse, type Rehearsal } from "../boot-disk.ts";

const disk = await makeBootDisk(t, "keep");
const writeTopLayer = (name: string, hostname: string) =>
  disk.look((top) => {
    fs.mkdirSync(`${top}/${name}/etc`, { recursive: true });
    fs.writeFileSync(`${top}/${name}/etc/hostname`, hostname);
  });
const read = (file: string) =>
  disk.look((top) => fs.readFileSync(`${top}/${file}`, "utf8"));

function bootAndFinish(machine: Rehearsal, options = ""): string {
  const { status, stderr } = machine.boot(options);
  if (status !== 0) throw new Error(stderr);
  const finished = machine.finish();
  if (finished.status !== 0) throw new Error(finished.stderr);
  return machine.record().subvolumeUuid;
}

await t.test(
  "the rwlayer is reused while image and top layer are the same",
  async (t) => {
    await writeTopLayer("files", "first");
    const machine = rehearse(
      t,
      disk,
      "kept",
      `docker_image=system:1 dockroot.rwlayer=keep toplayer=LABEL=${disk.label} toplayer_path=files`,
    );
    const uuid = bootAndFinish(machine);
    t.equal(machine.record().result, "fresh", "the first time");
    await disk.look((top) => {
      fs.writeFileSync(`${top}/kept/written`, "mine");
    });
    const before = await disk.subvolumes();
    const state = await read(".dockroot/kept/state.json");
    t.equal(bootAndFinish(machine), uuid);
    t.match(machine.record(), { result: "kept", boot: 1, warnings: [] });
    t.strictSame(await disk.subvolumes(), before);
    t.equal(
      withoutHandedOver(await read(".dockroot/kept/state.json")),
      withoutHandedOver(state),
    );
    t.equal(await read("kept/written"), "mine");

    t.not(bootAndFinish(machine, "docker_image=system:2"), uuid);
    t.equal(machine.record().result, "fresh", "another image, another root");
    t.equal(await read(".dockroot/kept/generations/1/written"), "mine");
    t.not(bootAndFinish(machine, "dockroot.rwlayer=fresh"), uuid);
  },
);

await t.test("a changed top layer is told, and copied if asked", async (t) => {
  await writeTopLayer("changing", "first");
  const machine = rehearse(
    t,
    disk,
    "changed",
    `docker_image=system:1 dockroot.rwlayer=keep toplayer=LABEL=${disk.label} toplayer_path=changing`,
  );
  const uuid = bootAndFinish(machine);
  await disk.look(async (top) => {
    fs.writeFileSync(`${top}/changed/written`, "mine");
    fs.mkdirSync(`${top}/changed/var/lib`, { recursive: true });
    for (const name of ["machines", "machines/one", "frozen"]) {
      const nested = `${top}/changed/var/lib/${name}`;
      await run(["btrfs", "subvolume", "create", nested]);
      fs.writeFileSync(`${nested}/file`, name);
    }
    const frozen = `${top}/changed/var/lib/frozen`;
    await run(["btrfs", "property", "set", "-ts", frozen, "ro", "true"]);
  });
  await writeTopLayer("changing", "second");

  t.equal(bootAndFinish(machine), uuid);
  t.equal(machine.record().result, "kept");
  t.match(machine.record().warnings, [/the top layer has changed/]);
  t.equal(await read("changed/etc/hostname"), "first", "once");

  const always = "dockroot.toplayer=always";
  const before = await disk.look((top) => listTree(`${top}/changed`));
  t.not(bootAndFinish(machine, always), uuid);
  t.equal(machine.record().result, "kept");
  t.equal(await read("changed/etc/hostname"), "second");
  const after = await disk.look((top) => listTree(`${top}/changed`));
  t.strictSame(Object.keys(after), Object.keys(before));
  for (const name of ["written", "var/lib/machines/one/file"]) {
    t.strictSame(entryOf(after, name), entryOf(before, name));
  }
  const subvolumes = await disk.subvolumes();
  for (const name of ["machines", "machines/one", "frozen"]) {
    t.ok(subvolumes[`changed/var/lib/${name}`], "is a subvolume again");
  }
  await disk.look((top) => {
    t.throws(
      () => {
        fs.writeFileSync(`${top}/changed/var/lib/frozen/x`, "");
      },
      { code: "EROFS" },
    );
  });
  t.equal(
    await read(".dockroot/changed/generations/1/etc/hostname"),
    "first",
    "the former one is a generation",
  );
  const renewed = machine.record().subvolumeUuid;
  t.equal(bootAndFinish(machine, always), renewed, "and no further one");
  t.strictSame(machine.record().warnings, []);
});

/** Of each boot anew. */
function withoutHandedOver(state: string): string {
  return state.replace(/"handedOver": \d+/, "");
}
