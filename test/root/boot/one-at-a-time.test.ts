// runner: tier=first seconds=12
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { run } from "../../../fixtures/run.ts";
import { undoLater } from "../../../fixtures/undo.ts";
import { unmountBelow } from "../../../fixtures/unmount.ts";
import type { RwlayerState } from "../../../runtime/records/rwlayer-state.ts";
import { executable, type Outcome } from "../../binary/run-dockroot.ts";
import { makeBootDisk, rehearse, type Rehearsal } from "../boot-disk.ts";

const PAIRS = 3;

const disk = await makeBootDisk(t, "one-at-a-time");

await t.test("a boot waits for who is at work on the disk", async (t) => {
  const machine = rehearse(t, disk, "waits");
  // Writes the kernel command line.
  machine.boot("", "--dry-run");
  const holder = await holdLock(t);
  const boot = start(t, machine, "boot");
  await once(boot.process.stderr, "data");
  await sleep(1500);
  t.equal(boot.process.exitCode, null, "it waits");
  t.strictSame(await disk.look(rootsOf("waits")), [], "and makes nothing");
  await holder.release();
  const { status, stderr } = await boot.ended;
  t.equal(status, 0, stderr);
  t.match(
    stderr,
    /still running after 1 s: lock the disk \(another dockroot may be using it\)/,
  );
  t.equal(machine.record().result, "fresh");
  t.equal(machine.finish().status, 0);
});

await t.test("boots and finishes at the same time lose nothing", async (t) => {
  const machine = rehearse(t, disk, "pairs");
  const other: Rehearsal = {
    ...machine,
    runDirectory: path.join(machine.runDirectory, "../other-run"),
  };
  fs.mkdirSync(other.runDirectory);
  t.teardown(undoLater(() => unmountBelow(other.runDirectory)));
  // Writes the kernel command line.
  machine.boot("dockroot.generations=1000", "--dry-run");
  for (let round = 0; round < PAIRS; round += 1) {
    for (const [first, second] of [
      ["boot", "boot"],
      ["finish", "boot"],
      ["boot", "finish"],
    ] as const) {
      const concurrently = [start(t, machine, first), start(t, other, second)];
      for (const { ended } of concurrently) {
        const { status, stderr } = await ended;
        t.equal(status, 0, stderr);
      }
    }
  }
  const { state, pathState } = await disk.look(async (top) => ({
    state: JSON.parse(
      fs.readFileSync(`${top}/.dockroot/pairs/state.json`, "utf8"),
    ) as RwlayerState,
    pathState: rootsOf("pairs")(top),
  }));
  const subvolumes = await disk.subvolumes();
  t.equal(pathState.length, 4 * PAIRS, "each boot has made a root");
  for (const root of pathState) {
    const record = state.subvolumes.find(
      ({ uuid }) => uuid === subvolumes[root],
    );
    t.equal(record?.complete, true, `${root} is known as complete`);
  }
});

interface Started {
  readonly process: ReturnType<typeof spawn> & {
    stderr: NodeJS.ReadableStream;
  };
  readonly ended: Promise<Outcome>;
}

function start(t: Test, machine: Rehearsal, command: string): Started {
  const file = (name: string) => path.join(machine.runDirectory, "..", name);
  const child = spawn(
    executable,
    [
      command,
      ...(command === "boot"
        ? ["--cmdline", file("cmdline"), "--config", file("config.json")]
        : []),
      ...["--run-dir", machine.runDirectory],
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  const text = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (piece: string) => {
      text[name] += piece;
    });
  }
  t.teardown(() => child.kill("SIGKILL"));
  const ended = once(child, "close").then(() => ({
    status: child.exitCode,
    ...text,
  }));
  return { process: child, ended };
}

/** What stands where roots do, relative to the top level. */
function rootsOf(rwlayer: string): (topLevel: string) => string[] {
  return (topLevel) => {
    const own = `.dockroot/${rwlayer}`;
    const generations = path.join(topLevel, own, "generations");
    return [
      rwlayer,
      `${own}/staging`,
      ...(fs.existsSync(generations)
        ? fs
            .readdirSync(generations)
            .map((name) => `${own}/generations/${name}`)
        : []),
    ].filter((file) => fs.existsSync(path.join(topLevel, file)));
  };
}

/** Has the disk's lock through a mount of its own, until `release`. */
async function holdLock(t: Test): Promise<{ release: () => Promise<void> }> {
  const at = path.join(disk.scratch, "holder");
  fs.mkdirSync(at);
  await run(["mount", "-o", "subvolid=5", "--", disk.device, at]);
  const holder = spawn("flock", ["--no-fork", at, "cat"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  holder.stdin.write("\n");
  await once(holder.stdout, "data");
  const release = undoLater(async () => {
    holder.stdin.end();
    if (holder.exitCode === null) await once(holder, "exit");
    await unmountBelow(at);
  });
  t.teardown(release);
  return { release };
}
