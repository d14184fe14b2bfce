// runner: tier=first seconds=11
import fs from "fs-extra";
import { createHash } from "node:crypto";
import os from "node:os";
import path from "node:path";
import t from "tap";
import { run } from "../../../fixtures/run.ts";
import {
  compareListings,
  entryOf,
  listTree,
} from "../../../fixtures/tree-listing.ts";
import { parseMountinfo } from "../../../runtime/disk/mounts.ts";
import { makeBootDisk, rehearse, type Rehearsal } from "../boot-disk.ts";
import { withTimes } from "../failures.ts";
import { withoutOwnRecord } from "../made-root.ts";

const disk = await makeBootDisk(t, "boot");
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
    const log = readLog(machine);
    for (const line of log) t.match(line, { msg: /./, level: 30 });
    const timed = log.flatMap(({ step, durationMs }) =>
      step === undefined ? [] : [{ step, durationMs }],
    );
    t.strictSame(timed, record.steps);
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
      t.strictSame(
        compareListings(withoutOwnRecord(tree), withoutOwnRecord(image)),
        [],
        "it is the image's tree",
      );
      t.strictSame(
        compareListings(listTree(`${top}/docker`, withTimes), store),
        [],
        "the image store is as it was",
      );
      const own = listTree(`${top}/.dockroot`);
      for (const name of [
        ...["", "fresh", "fresh/bases", "fresh/generations"],
      ]) {
        t.equal(entryOf(own, name).mode, "700", `.dockroot/${name}`);
      }
      t.equal(entryOf(own, "fresh/state.json").mode, "600");
      const isOfBase = (name: string) => name.startsWith("fresh/bases/1/");
      t.strictSame(
        Object.keys(own)
          .filter((name) => !isOfBase(name))
          .toSorted(),
        [
          ...["", "fresh", "fresh/bases", "fresh/bases/1"],
          ...["fresh/generations", "fresh/state.json"],
        ],
      );
      t.strictSame(
        compareListings(listTree(`${top}/.dockroot/fresh/bases/1`), tree),
        [],
        "its base is what init gets",
      );
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
    t.equal(machine.record().image?.id, disk.ids["system:2"]);
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
    const own = Object.entries(await disk.subvolumes()).filter(([name]) =>
      /(?:^|\/)second(?:$|\/)/.test(name),
    );
    const bases = own.filter(([name]) => name.includes("/bases/"));
    t.strictSame(
      bases.map(([name]) => path.basename(name)).toSorted(),
      ["2", "3", "4", "5"],
      "each has its base",
    );
    t.strictSame(
      own
        .filter((each) => !bases.includes(each))
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

await t.test("what an interrupted boot left is cleaned up", async (t) => {
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

  t.equal(machine.boot("docker_image=bare:1").status, 1, "stops half-way");
  t.match(readLog(machine).at(-1), { level: 50, code: /^[A-Z_]+$/, hint: /./ });
  await disk.look(async (top) => {
    const staging = `${top}/.dockroot/interrupted/staging`;
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
  t.match(machine.record().warnings, [/an earlier boot was interrupted/]);
  t.equal(machine.finish().status, 0);

  await disk.look((top) => {
    // Between the two renames.
    const own = `${top}/.dockroot/interrupted`;
    fs.renameSync(`${top}/interrupted`, `${own}/generations/7`);
  });
  t.equal(machine.boot().status, 0);
  t.match(machine.record().warnings, [/interrupted does not exist/]);
  t.equal(machine.finish().status, 0);
  const { subvolumeUuid, boot } = machine.record();
  const subvolumes = await disk.subvolumes();
  t.equal(subvolumes["interrupted"], subvolumeUuid);
  t.strictSame(
    Object.keys(subvolumes)
      .filter((name) => name.includes("interrupted"))
      .toSorted(),
    [`.dockroot/interrupted/bases/${String(boot)}`, "interrupted"],
  );
});

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
      /^rwlayer +dry, made anew; the present one becomes generation 1$/m,
      /keep the present dry as \.dockroot\/dry\/generations\/1/,
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

await t.test("--dry-run tells of modules that are missing", async (t) => {
  const machine = rehearse(t, disk, "dry-modules", "docker_image=bare:1");
  const warning = `warning: the new root has no /lib/modules/${os.release()}: `;
  const { status, stdout } = machine.boot("", "--dry-run");
  t.match(stdout, warning);
  // There are none at all: the kernel's drivers are in modules where btrfs is.
  const isModule = fs.existsSync("/sys/module/btrfs/initstate");
  t.equal(status, isModule ? 1 : 0);
  const json = machine.boot("", "--dry-run", "--json");
  const { warnings } = JSON.parse(json.stdout) as { warnings: string[] };
  t.match(warnings.join("\n"), /the new root has no \/lib\/modules/);
  await disk.look((top) =>
    fs.mkdirSync(`${top}/drivers/usr/lib/modules/${os.release()}`, {
      recursive: true,
    }),
  );
  const layer = `toplayer=LABEL=${disk.label} toplayer_path=drivers`;
  const brought = machine.boot(layer, "--dry-run");
  t.equal(brought.status, 0, brought.stderr);
  t.notMatch(brought.stdout, warning, "the top layer has them");
});

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

function readLog(machine: Rehearsal): Record<string, unknown>[] {
  return fs
    .readFileSync(path.join(machine.runDirectory, "boot.log"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
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
