// runner: tier=first seconds=6
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { randomUUID } from "node:crypto";
import os from "node:os";
import path from "node:path";
import t, { type Test } from "tap";
import { run } from "../../../fixtures/run.ts";
import { undoLater } from "../../../fixtures/undo.ts";
import { unmountBelow } from "../../../fixtures/unmount.ts";
import type { RwlayerState } from "../../../runtime/records/rwlayer-state.ts";
import { executable, type Outcome } from "../../binary/run-dockroot.ts";
import { makeBootDisk, rehearse, type Rehearsal } from "../boot-disk.ts";

const disk = await makeBootDisk(t, "in-use");

await t.test(
  "a root that is mounted in another mount namespace is not replaced",
  async (t) => {
    const machine = rehearse(t, disk, "elsewhere");
    startWell(t, machine);
    const { processId, stop } = await mountElsewhere(t, "elsewhere");
    const before = await disk.subvolumes();
    const { status, stderr } = machine.boot();
    t.equal(status, 1);
    t.match(
      stderr,
      `the rwlayer elsewhere is in use: it is mounted at /mnt in the mount namespace of process ${processId}\n`,
    );
    t.strictSame(await disk.subvolumes(), before);
    await stop();
    startWell(t, machine);
  },
);

await t.test("nor is a generation deleted that is", async (t) => {
  const machine = rehearse(t, disk, "kept", "docker_image=system:1");
  startWell(t, machine);
  startWell(t, machine);
  const generation = ".dockroot/kept/generations/1";
  const { [generation]: uuid } = await disk.subvolumes();
  const { stop } = await mountElsewhere(t, generation);
  t.equal(machine.boot("dockroot.generations=0").status, 0);
  t.match(
    machine.finish().stderr,
    /generations\/1 is mounted at \/mnt in the mount namespace of process \d+ and is kept/,
  );
  t.equal((await disk.subvolumes())[generation], uuid);
  await stop();
  startWell(t, machine, "dockroot.generations=0");
  t.equal((await disk.subvolumes())[generation], undefined);
});

await t.test("nor one that a link leads to", async (t) => {
  const machine = rehearse(
    ...([t, disk, "linked"] as const),
    "docker_image=system:1 dockroot.rwlayer=keep dockroot.generations=0",
  );
  startWell(t, machine);
  startWell(t, machine, "dockroot.rwlayer=fresh dockroot.generations=9");
  await disk.look((top) => {
    const generations = `${top}/.dockroot/linked/generations`;
    fs.renameSync(generations, `${top}/archive`);
    fs.symlinkSync("../../archive", generations);
  });
  const { "archive/1": uuid } = await disk.subvolumes();
  const { stop } = await mountElsewhere(t, "archive/1");
  startWell(t, machine);
  t.equal((await disk.subvolumes())["archive/1"], uuid);
  t.equal(machine.boot("docker_image=gone:1 dockroot.fallback=last").status, 0);
  t.equal(machine.finish().status, 0);
  t.equal((await disk.subvolumes())["archive/1"], uuid);
  await stop();
});

await t.test(
  "a root that this kernel has mounted is in use where that cannot be seen",
  async (t) => {
    const machine = rehearse(t, disk, "handed-over");
    const at = path.join(disk.scratch, "root");
    fs.mkdirSync(at);
    t.equal(machine.boot().status, 0);
    t.strictSame(await readBootIds(), {});
    // As an initramfs does it.
    await run(["mount", "-o", "subvol=handed-over", "--", disk.device, at]);
    const unmount = undoLater(() => unmountBelow(at));
    t.teardown(unmount);
    t.equal(machine.finish().status, 0);
    await unmount();
    const bootId = fs
      .readFileSync("/proc/sys/kernel/random/boot_id", "utf8")
      .trim();
    t.strictSame(await readBootIds(), { [uuidOf(machine)]: bootId });

    const before = await disk.subvolumes();
    for (const options of [
      "",
      "dockroot.fallback=last",
      "dockroot.rwlayer=keep",
    ]) {
      const { status, stderr } = bootInContainer(machine, options);
      t.equal(status, 1);
      t.match(
        stderr,
        /the rwlayer handed-over is in use: it is a root of the running system\n/,
      );
    }
    const gone = "docker_image=gone:1 dockroot.fallback=last";
    const { status, stderr } = bootInContainer(machine, gone);
    t.equal(status, 1, "nor does it stand in for itself");
    t.match(stderr, /handed-over is a root of the running system/);
    t.equal(machine.boot("", "--dry-run").status, 0, "it can be planned");
    t.strictSame(await disk.subvolumes(), before);

    t.comment("as if the machine had been started anew");
    await changeBootIds(randomUUID());
    t.equal(bootInContainer(machine, "dockroot.generations=9").status, 0);
    await changeBootIds(bootId);
    const last = bootInContainer(machine, "dockroot.generations=0");
    t.equal(last.status, 0, last.stderr);
    t.match(
      last.stderr,
      /generations\/1 is a root of the running system and is kept/,
    );
    t.equal(
      (await disk.subvolumes())[".dockroot/handed-over/generations/1"],
      before["handed-over"],
    );
  },
);

await t.test("so is one that a process is still in", async (t) => {
  const machine = rehearse(t, disk, "entered");
  const at = path.join(disk.scratch, "entered");
  fs.mkdirSync(at);
  t.equal(machine.boot().status, 0);
  await run(["mount", "-o", "subvol=entered", "--", disk.device, at]);
  const unmount = undoLater(() => unmountBelow(at));
  t.teardown(unmount);
  const inside = spawn("sleep", ["infinity"], { cwd: at });
  const ended = once(inside, "exit");
  const stop = undoLater(async () => {
    inside.kill();
    await ended;
  });
  t.teardown(stop);
  t.equal(machine.finish().status, 0);
  await run(["umount", "--lazy", at]);
  const before = await disk.subvolumes();
  const { status, stderr } = machine.boot();
  t.equal(status, 1);
  t.match(
    stderr,
    `the rwlayer entered is in use: it is in use by process ${String(inside.pid)}\n`,
  );
  t.strictSame(await disk.subvolumes(), before);
  await stop();
  startWell(t, machine);
});

await t.test("so is one in a namespace that no process is in", async (t) => {
  const machine = rehearse(t, disk, "kept-away");
  const at = path.join(disk.scratch, "kept-root");
  const kept = path.join(disk.scratch, "kept");
  for (const directory of [at, kept]) fs.mkdirSync(directory);
  t.equal(machine.boot().status, 0);
  await run(["mount", "-o", "subvol=kept-away", "--", disk.device, at]);
  const leave = undoLater(async () => {
    await unmountBelow(at);
    await unmountBelow(kept);
  });
  t.teardown(leave);
  await run(["mount", "--bind", "--make-private", kept, kept]);
  const namespace = path.join(kept, "namespace");
  fs.writeFileSync(namespace, "");
  t.ok(await keepNamespace(t, "kept-away", namespace));
  t.equal(machine.finish().status, 0);
  await unmountBelow(at);
  const before = await disk.subvolumes();
  const { status, stderr } = machine.boot();
  t.equal(status, 1);
  t.match(stderr, /kept-away is in use: it is a root of the running system/);
  t.strictSame(await disk.subvolumes(), before);
  await leave();
  startWell(t, machine);
});

/** Boots, and finishes, where no other process of the machine is seen. */
function bootInContainer(machine: Rehearsal, options: string): Outcome {
  // Writes the kernel command line.
  machine.boot(options, "--dry-run");
  const script = '"$0" boot "$@" && exec "$0" finish "$5" "$6"';
  const directory = path.dirname(machine.runDirectory);
  const { status, stdout, stderr } = spawnSync(
    "unshare",
    [
      ...["--mount", "--pid", "--fork", "--mount-proc", "--", "sh", "-c"],
      ...[script, executable, "--cmdline", path.join(directory, "cmdline")],
      ...["--config", path.join(directory, "config.json")],
      ...["--run-dir", machine.runDirectory],
    ],
    { encoding: "utf8" },
  );
  return { status, stdout, stderr };
}

function uuidOf(machine: Rehearsal): string {
  return machine.record().subvolumeUuid;
}

function startWell(t: Test, machine: Rehearsal, options = ""): void {
  for (const { status, stderr } of [machine.boot(options), machine.finish()]) {
    t.equal(status, 0, stderr);
  }
}

function stateOf(top: string): string {
  return path.join(top, ".dockroot/handed-over/state.json");
}

/** UUID to boot ID, of those that have one. */
function readBootIds(): Promise<Record<string, string>> {
  return disk.look((top) =>
    Object.fromEntries(
      readState(top).subvolumes.flatMap(({ uuid, bootId }) =>
        bootId === undefined ? [] : [[uuid, bootId]],
      ),
    ),
  );
}

function changeBootIds(bootId: string): Promise<void> {
  return disk.look((top) => {
    const state = readState(top);
    const subvolumes = state.subvolumes.map((record) =>
      record.bootId === undefined ? record : { ...record, bootId },
    );
    fs.writeFileSync(stateOf(top), JSON.stringify({ ...state, subvolumes }));
  });
}

function readState(top: string): RwlayerState {
  return JSON.parse(fs.readFileSync(stateOf(top), "utf8")) as RwlayerState;
}

/**
 * Mounts a subvolume in a namespace that a file keeps, with no process in it. The kernel lets a namespace
 * keep only one with a higher number than its own, and each processor counts for itself: on the one that
 * made this namespace the next number is higher.
 */
async function keepNamespace(
  t: Test,
  subvolume: string,
  file: string,
): Promise<boolean> {
  for (const [processor] of os.cpus().entries()) {
    const { processId, stop } = await mountElsewhere(t, subvolume, processor);
    const own = `/proc/${String(processId)}/ns/mnt`;
    const { status } = spawnSync("mount", ["--bind", own, file]);
    await stop();
    if (status === 0) return true;
  }
  return false;
}

/** Mounts a subvolume where this process does not see it, until `stop`. */
async function mountElsewhere(
  t: Test,
  subvolume: string,
  processor?: number,
): Promise<{ processId: number; stop: () => Promise<void> }> {
  const pin =
    processor === undefined ? [] : ["taskset", "-c", String(processor)];
  const [program = "", ...args] = [...pin, "unshare"];
  const holder = spawn(
    program,
    [
      ...args,
      ...["--mount", "--", "sh", "-ec"],
      'mount -o "subvol=$1" "$2" /mnt; echo mounted; exec sleep infinity',
      ...["sh", subvolume, disk.device],
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const ended = once(holder, "exit");
  const stop = undoLater(async () => {
    holder.kill();
    await ended;
  });
  t.teardown(stop);
  await Promise.race([once(holder.stdout, "data"), ended]);
  t.equal(holder.exitCode, null, "it is mounted");
  return { processId: holder.pid ?? 0, stop };
}
