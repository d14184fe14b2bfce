// runner: tier=first seconds=5
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { run } from "../../../fixtures/run.ts";
import { executable } from "../../binary/run-dockroot.ts";
import { OWN_RECORD } from "../../../runtime/disk/disk.ts";
import { makeBootDisk, rehearse } from "../boot-disk.ts";
import { start, tellStatus } from "./tell-status.ts";

const disk = await makeBootDisk(t, "status-damage");

await t.test("a disk that is not the one that booted", async (t) => {
  const machine = rehearse(t, disk, "exchanged");
  start(t, machine);
  await disk.look((top) =>
    run(["btrfs", "subvolume", "delete", `${top}/exchanged`]),
  );
  const { status, text, exitStatus } = await tellStatus(t, disk, machine);
  t.equal(exitStatus, 0);
  t.match(status, { result: "fresh", roots: null, lastFailure: null });
  t.match(text, /\n {2}the disk: .* does not hold the root that booted/);

  const file = path.join(machine.runDirectory, "boot.json");
  const absent = "00000000-0000-0000-0000-000000000000";
  fs.writeFileSync(
    file,
    JSON.stringify({ ...machine.record(), filesystemUuid: absent }),
  );
  t.match(
    (await tellStatus(t, disk, machine)).text,
    `there is no UUID=${absent}`,
  );
});

await t.test("a device of another name is found all the same", async (t) => {
  const machine = rehearse(t, disk, "renamed");
  start(t, machine);
  fs.writeFileSync(
    path.join(machine.runDirectory, "boot.json"),
    JSON.stringify({ ...machine.record(), device: "/dev/absent" }),
  );
  const { status } = await tellStatus(t, disk, machine);
  t.equal(status.roots?.length, 1);
  t.strictSame(status.unreadable, []);
});

await t.test("what is damaged on the disk is told, the rest too", async (t) => {
  const machine = rehearse(t, disk, "damaged");
  start(t, machine);
  start(t, machine);
  const own = (top: string, name: string) => `${top}/.dockroot/damaged/${name}`;
  await disk.look(async (top) => {
    fs.rmSync(own(top, "state.json"));
    fs.rmSync(`${own(top, "generations")}/1/${OWN_RECORD}`);
    for (const name of ["state.json", "last-failure.log"]) {
      await run(["mkfifo", own(top, name)]);
    }
  });
  const { status, exitStatus } = await tellStatus(t, disk, machine);
  t.equal(exitStatus, 0);
  t.strictSame(
    status.roots?.map(({ state, isRoot }) => [state, isRoot]),
    [
      ["complete", true],
      ["foreign", false],
    ],
  );
  t.match(status.unreadable, [
    {
      what: ".dockroot/damaged/state.json",
      why: /is damaged: .* is a FIFO, not a file/,
    },
    { what: "the last failure", why: /is a FIFO, not a file/ },
  ]);

  await disk.look((top) => {
    const log = own(top, "last-failure.log");
    fs.rmSync(log);
    fs.writeFileSync(log, "\u001b[31mred\u001b[0m\n");
    fs.truncateSync(log, 1024 ** 3);
    const generations = own(top, "generations");
    fs.renameSync(generations, `${generations}.old`);
    fs.symlinkSync("/etc", generations);
  });
  const second = await tellStatus(t, disk, machine);
  t.equal(second.status.lastFailure?.isWhole, false);
  t.equal(second.status.lastFailure?.text.length, 64 * 1024);
  t.match(second.text, /^ {2}\\x1b\[31mred\\x1b\[0m$/m);
  t.match(second.status.unreadable, [
    {},
    { what: "the generations", why: /is not a directory/ },
  ]);
  t.equal(second.status.roots?.length, 1);
});

const many = rehearse(t, disk, "many");

await t.test("no more generations are shown than can be", async (t) => {
  start(t, many);
  await disk.look(async (top) => {
    for (let number = 1; number <= 120; number += 1) {
      const generation = `${top}/.dockroot/many/generations/${String(number)}`;
      await run(["btrfs", "subvolume", "create", generation]);
    }
  });
  const { status, text } = await tellStatus(t, disk, many);
  t.equal(status.roots?.length, 101);
  t.equal(status.roots?.[1]?.path, ".dockroot/many/generations/120");
  t.match(text, /^ {2}20 more generations: /m);
});

await t.test("a signal leaves nothing mounted", async (t) => {
  const isMounted = () =>
    fs
      .readFileSync("/proc/self/mountinfo", "utf8")
      .includes(`${many.runDirectory}/status-`);
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    const call = ["status", "--run-dir", many.runDirectory];
    const child = spawn(executable, call, { detached: true });
    const end = once(child, "exit");
    while (!isMounted() && child.exitCode === null) await sleep(1);
    t.equal(child.exitCode, null, "there is much to read");
    // To its helpers, too, as a terminal does.
    process.kill(-Number(child.pid), signal);
    await end;
    t.equal(child.signalCode, signal);
    t.notOk(isMounted());
    t.strictSame(fs.readdirSync(many.runDirectory).toSorted(), [
      "boot.json",
      "boot.log",
    ]);
  }
});
