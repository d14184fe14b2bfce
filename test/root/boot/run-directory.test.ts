// runner: tier=first seconds=8
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import t, { type Test } from "tap";
import { run } from "../../../fixtures/run.ts";
import { undoLater } from "../../../fixtures/undo.ts";
import { unmountBelow } from "../../../fixtures/unmount.ts";
import { runDockroot } from "../../binary/run-dockroot.ts";
import { makeBootDisk, rehearse, type Rehearsal } from "../boot-disk.ts";

// Whoever can put something into a run directory would have root write, mount and delete for him.

const NOBODY = 65534;
const disk = await makeBootDisk(t, "run-directory");

/** A directory like /tmp, where everybody may make a directory of his own. */
function makeSharedDirectory(t: Test): string {
  const place = fs.mkdtempSync(path.join(tmpdir(), "dockroot-shared-"));
  fs.chmodSync(place, 0o1777);
  t.teardown(
    undoLater(async () => {
      await unmountBelow(place);
      fs.rmSync(place, { recursive: true, force: true });
    }),
  );
  return place;
}

function asNobody(t: Test, script: string, ...args: string[]): void {
  const { status, stderr } = spawnSync("sh", ["-ec", script, "sh", ...args], {
    ...{ cwd: "/", uid: NOBODY, gid: NOBODY, encoding: "utf8" },
  });
  t.equal(status, 0, stderr);
}

/** Boots in another run directory than the machine's own. */
function bootIn(machine: Rehearsal, directory: string, ...flags: string[]) {
  return machine.boot("", "--run-dir", directory, ...flags);
}

function refused(
  t: Test,
  { status, stderr }: ReturnType<typeof runDockroot>,
  why: RegExp,
): void {
  t.equal(status, 1, stderr);
  t.match(stderr, why);
  t.match(stderr, /^ {2}what to do: /m);
}

const NOT_ROOTS =
  /^dockroot: cannot use the run directory \S+: \S+ belongs to user 65534$/m;

await t.test("nothing is appended to what a user's boot.log leads to", (t) => {
  const machine = rehearse(t, disk, "appended");
  const place = makeSharedDirectory(t);
  const precious = `${disk.scratch}/precious`;
  fs.writeFileSync(precious, "precious\n", { mode: 0o600 });
  asNobody(t, 'mkdir "$1"; ln -s "$2" "$1/boot.log"', `${place}/run`, precious);
  refused(t, bootIn(machine, `${place}/run`), NOT_ROOTS);
  refused(t, runDockroot("finish", "--run-dir", `${place}/run`), NOT_ROOTS);
  t.equal(fs.readFileSync(precious, "utf8"), "precious\n");
  t.end();
});

await t.test("no disk is mounted where a user's link leads", async (t) => {
  const machine = rehearse(t, disk, "mounted");
  const place = makeSharedDirectory(t);
  const target = `${disk.scratch}/target`;
  fs.mkdirSync(target);
  asNobody(t, 'mkdir "$1"; ln -s "$2" "$1/toplevel"', `${place}/run`, target);
  refused(t, bootIn(machine, `${place}/run`), NOT_ROOTS);
  refused(t, bootIn(machine, `${place}/run`, "--dry-run"), NOT_ROOTS);
  t.notMatch(fs.readFileSync("/proc/self/mountinfo", "utf8"), `${target} `);
  t.notOk(machine.rwlayer in (await disk.subvolumes()));
});

await t.test("no generation is deleted because a user says so", async (t) => {
  const machine = rehearse(
    t,
    disk,
    "deleted",
    "docker_image=system:1 dockroot.generations=9",
  );
  for (const _ of [1, 2, 3]) t.equal(machine.boot().status, 0);
  t.equal(machine.finish().status, 0);
  const before = await disk.subvolumes();
  const place = makeSharedDirectory(t);
  const directory = `${place}/run`;
  const record = JSON.stringify({
    ...machine.record(),
    limits: { generations: 0, helperTimeoutMs: 1000 },
  });
  asNobody(t, 'mkdir "$1"; echo "$2" >"$1/boot.json"', directory, record);
  fs.mkdirSync(`${directory}/toplevel`);
  await run([
    "mount",
    "-o",
    "subvolid=5",
    disk.device,
    `${directory}/toplevel`,
  ]);
  refused(t, runDockroot("finish", "--run-dir", directory), NOT_ROOTS);
  await unmountBelow(directory);

  const own = path.join(machine.runDirectory, "boot.json");
  fs.writeFileSync(own, record);
  for (const spoil of [
    () => {
      fs.chownSync(own, NOBODY, NOBODY);
    },
    () => {
      fs.rmSync(own);
      fs.symlinkSync(`${directory}/boot.json`, own);
    },
  ]) {
    spoil();
    const toplevel = path.join(machine.runDirectory, "toplevel");
    fs.mkdirSync(toplevel);
    await run(["mount", "-o", "subvolid=5", disk.device, toplevel]);
    refused(
      t,
      machine.finish(),
      /^dockroot: \S+\/boot\.json (?:is a symlink|belongs to user \d+, not to root)$/m,
    );
    t.notOk(fs.existsSync(toplevel), "the disk is released all the same");
  }
  t.strictSame(await disk.subvolumes(), before);
});

await t.test(
  "a directory that others can change or replace is refused",
  (t) => {
    const machine = rehearse(t, disk, "refused");
    const place = makeSharedDirectory(t);
    asNobody(t, 'mkdir "$1/theirs"; ln -s own "$1/link"', place);
    for (const [name, mode] of [
      ["own", 0o755],
      ["group", 0o775],
      ["all", 0o1777],
      ["theirs/own", 0o755],
      ["group/own", 0o755],
    ] as const) {
      fs.mkdirSync(`${place}/${name}`);
      fs.chmodSync(`${place}/${name}`, mode);
    }
    for (const [name, why] of [
      ["group", /users other than root may write to \S+\/group$/m],
      ["all", /users other than root may write to \S+\/all$/m],
      ["theirs/own", NOT_ROOTS],
      ["theirs/new", NOT_ROOTS],
      ["group/own", /users other than root may write to \S+\/group$/m],
      ["link", NOT_ROOTS],
    ] as const) {
      refused(t, bootIn(machine, `${place}/${name}`, "--dry-run"), why);
    }
    t.notOk(fs.existsSync(`${place}/theirs/new`));
    for (const name of ["own", "new", "all/new"]) {
      t.equal(bootIn(machine, `${place}/${name}`, "--dry-run").status, 0, name);
    }
    t.end();
  },
);

await t.test(
  "nor is anything written or mounted through root's own links",
  async (t) => {
    const machine = rehearse(t, disk, "own-links");
    const at = (name: string) => path.join(machine.runDirectory, name);
    fs.symlinkSync("elsewhere", at("boot.log"));
    refused(t, machine.boot(), /boot\.log: it is a symlink$/m);
    fs.rmSync(at("boot.log"));
    fs.mkdirSync(at("target"));
    fs.symlinkSync("target", at("toplevel"));
    refused(t, machine.boot(), /at \S+\/toplevel: it is a symlink$/m);
    fs.rmSync(at("toplevel"));
    t.notOk(machine.rwlayer in (await disk.subvolumes()));
    t.equal(machine.boot().status, 0);
    t.equal(machine.finish().status, 0);
  },
);

await t.test("status mounts nothing in a user's directory", async (t) => {
  const machine = rehearse(t, disk, "status");
  t.equal(machine.boot().status, 0);
  t.equal(machine.finish().status, 0);
  const place = makeSharedDirectory(t);
  await run(["cp", "-a", machine.runDirectory, `${place}/run`]);
  fs.chownSync(`${place}/run`, NOBODY, NOBODY);
  const { status, stdout } = runDockroot("status", "--run-dir", `${place}/run`);
  t.equal(status, 0);
  t.match(
    stdout,
    /^ {2}the disk: cannot use the run directory \S+: \S+ belongs to user 65534$/m,
  );
});
