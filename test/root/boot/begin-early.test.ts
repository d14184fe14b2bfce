// runner: tier=first seconds=8
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "fs-extra";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { scaleTimeout } from "../../../fixtures/slowness.ts";
import { executable } from "../../binary/run-dockroot.ts";
import { makeBootDisk, rehearse, type Rehearsal } from "../boot-disk.ts";

const READY_TIMEOUT_MS = 30_000;
const disk = await makeBootDisk(t, "begin-early");

/** A boot that has begun. */
interface Begun {
  readonly file: (name: string) => string;
  readonly pid: number;
  readonly said: () => string;
  /** Waits until it waits. */
  readonly ready: () => Promise<void>;
  readonly end: () => Promise<{ status: number | null; signal: string | null }>;
}

/** @param gate in the run directory, unless it is absolute */
function begin(
  t: Test,
  machine: Rehearsal,
  options: string,
  gate = "go",
): Begun {
  const file = (name: string) => path.join(machine.runDirectory, "..", name);
  fs.writeFileSync(
    file("cmdline"),
    `root=LABEL=${disk.label} rootflags=subvol=${machine.rwlayer} docker_path=docker dockroot.fallback=none ${options}\n`,
  );
  const files = ["--cmdline", file("cmdline"), "--config", file("config.json")];
  return { file, ...beginCommand(t, machine, ["boot", ...files], gate) };
}

function beginCommand(
  t: Test,
  { runDirectory }: Rehearsal,
  command: readonly string[],
  gate: string,
): Omit<Begun, "file"> {
  const child = spawn(
    executable,
    [
      ...[...command, "--run-dir", runDirectory],
      ...["--when", path.resolve(runDirectory, gate)],
    ],
    { cwd: "/", env: {}, stdio: ["ignore", "ignore", "pipe"] },
  );
  t.teardown(() => child.kill("SIGKILL"));
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const closed = once(child, "close") as Promise<
    [number | null, string | null]
  >;
  return {
    pid: child.pid ?? 0,
    said: () => said,
    ready: async () => {
      const end = Date.now() + scaleTimeout(READY_TIMEOUT_MS);
      while (!said.includes("ready, and waiting for")) {
        if (Date.now() > end) throw new Error(`it is not ready: ${said}`);
        await sleep(20);
      }
    },
    end: async () => {
      const [status, signal] = await closed;
      return { status, signal };
    },
  };
}

await t.test(
  "a boot that begins early touches no device until told",
  async (t) => {
    const machine = rehearse(t, disk, "early");
    const go = path.join(machine.runDirectory, "go");
    const traces = await disk.traces();
    const before = await disk.subvolumes();
    const begun = begin(t, machine, "docker_image=absent");
    await begun.ready();
    t.strictSame(await disk.traces(), traces, "nothing is mounted");
    t.strictSame(await disk.subvolumes(), before);
    t.strictSame(devicesOf(begun.pid), [], "and no device is open");
    t.strictSame(fs.readdirSync(machine.runDirectory), ["boot.log"]);

    t.comment("what it has read until then does not count");
    const cmdline = fs.readFileSync(begun.file("cmdline"), "utf8");
    fs.writeFileSync(
      begun.file("cmdline"),
      cmdline.replace("absent", "system:1"),
    );
    fs.writeFileSync(go, "");
    t.strictSame(await begun.end(), { status: 0, signal: null }, begun.said());
    const record = machine.record();
    t.match(record, { result: "fresh", waitedMs: Number, warnings: [] });
    t.match(
      record.steps[0]?.step,
      /^(?:find the root device|lock the run directory)/,
      "to wait is no step",
    );
    t.equal((await disk.subvolumes())["early"], record.subvolumeUuid);
    t.equal(machine.finish().status, 0);
  },
);

await t.test("while it waits for the disk, it says so", async (t) => {
  const machine = rehearse(t, disk, "waiting");
  const begun = begin(t, machine, "docker_image=system:1");
  await begun.ready();
  const end = Date.now() + scaleTimeout(READY_TIMEOUT_MS);
  const message = `warning: still waiting for the initramfs to find root=LABEL=${disk.label} after 2 s`;
  while (!begun.said().includes(message)) {
    if (Date.now() > end) throw new Error(`it says nothing: ${begun.said()}`);
    await sleep(100);
  }
  fs.writeFileSync(path.join(machine.runDirectory, "go"), "");
  t.strictSame(await begun.end(), { status: 0, signal: null }, begun.said());
  t.match(machine.record(), { result: "fresh", warnings: [] });
  t.equal(machine.finish().status, 0);
});

await t.test(
  "where the file is there already, it waits for nothing",
  async (t) => {
    const machine = rehearse(t, disk, "already");
    const makers: Record<string, (file: string) => void> = {
      file: (file) => fs.writeFileSync(file, ""),
      directory: (file) => fs.mkdirSync(file),
      "link to nowhere": (file) => fs.symlinkSync("/nowhere", file),
    };
    for (const [kind, make] of Object.entries(makers)) {
      make(path.join(machine.runDirectory, kind));
      const begun = begin(t, machine, "docker_image=system:1", kind);
      t.equal((await begun.end()).status, 0, kind);
      t.notMatch(begun.said(), /waiting/);
      t.equal(machine.record().waitedMs, 0);
      t.equal(machine.finish().status, 0);
    }
    t.equal(machine.boot().status, 0);
    t.equal(machine.record().waitedMs, null, "nor without --when");
    t.equal(machine.finish().status, 0);
  },
);

await t.test(
  "what is wrong is told when the file is there, not before",
  async (t) => {
    const machine = rehearse(t, disk, "fails");
    const begun = begin(t, machine, "dockroot.generations=many");
    await begun.ready();
    fs.mkdirSync(path.join(machine.runDirectory, "go"));
    t.equal((await begun.end()).status, 1);
    const [before = "", after = ""] = begun.said().split("waiting for");
    t.notMatch(before, "dockroot.generations");
    t.match(after, "dockroot.generations");
    t.match(machine.record(), { result: "failed", waitedMs: Number });
  },
);

await t.test(
  "what tidies up begins before the boot, and touches nothing until told",
  async (t) => {
    const machine = rehearse(t, disk, "finish");
    const options = "docker_image=system:1 dockroot.generations=1";
    for (const round of [1, 2]) {
      t.equal(machine.boot(options).status, 0, String(round));
      t.equal(machine.finish().status, 0);
    }
    const left = await disk.traces();
    const begun = beginCommand(t, machine, ["finish"], "rooted");
    await begun.ready();
    t.equal(machine.boot(options).status, 0);
    const past = Object.keys(await disk.subvolumes());
    t.ok(past.includes(".dockroot/finish/generations/1"), past.join(" "));
    t.equal(
      (await disk.traces()).length,
      left.length + 1,
      "the top level stays mounted",
    );

    fs.writeFileSync(path.join(machine.runDirectory, "rooted"), "");
    t.strictSame(await begun.end(), { status: 0, signal: null }, begun.said());
    t.strictSame(await disk.traces(), left);
    const own = ".dockroot/finish";
    const gone = [`${own}/generations/1`, `${own}/bases/1`];
    t.strictSame(
      [
        ...past.filter((name) => !gone.includes(name)),
        `${own}/bases/3`,
      ].toSorted(),
      Object.keys(await disk.subvolumes()).toSorted(),
    );
  },
);

await t.test("where nothing has booted, it says so", async (t) => {
  const machine = rehearse(t, disk, "nothing");
  fs.writeFileSync(path.join(machine.runDirectory, "rooted"), "");
  const begun = beginCommand(t, machine, ["finish"], "rooted");
  t.equal((await begun.end()).status, 1);
  t.match(begun.said(), /there is no .*boot\.json/);
});

await t.test("it ends when told, and leaves nothing", async (t) => {
  const machine = rehearse(t, disk, "ended");
  const traces = await disk.traces();
  const begun = begin(t, machine, "docker_image=system:1");
  await begun.ready();
  process.kill(begun.pid, "SIGTERM");
  t.strictSame(await begun.end(), { status: null, signal: "SIGTERM" });
  t.strictSame(await disk.traces(), traces);
  t.strictSame(fs.readdirSync(machine.runDirectory), ["boot.log"]);
});

await t.test(
  "it sees the file in a directory that was made anew",
  async (t) => {
    const machine = rehearse(t, disk, "anew");
    const place = path.join(machine.runDirectory, "../place");
    fs.mkdirSync(place);
    const begun = begin(
      t,
      machine,
      "docker_image=system:1",
      path.join(place, "go"),
    );
    await begun.ready();
    fs.rmdirSync(place);
    fs.mkdirSync(place);
    fs.writeFileSync(path.join(place, "go"), "");
    t.equal((await begun.end()).status, 0, begun.said());
    t.equal(machine.finish().status, 0);
  },
);

await t.test(
  "it ends by itself where the directory has gone, and the file cannot come",
  async (t) => {
    const machine = rehearse(t, disk, "gone");
    const place = path.join(machine.runDirectory, "../place");
    const gate = path.join(place, "rooted");
    fs.mkdirSync(place);
    const begun = begin(t, machine, "docker_image=system:1", gate);
    const finish = beginCommand(t, machine, ["finish"], gate);
    await begun.ready();
    await finish.ready();
    fs.rmdirSync(place);
    for (const { end, said } of [begun, finish]) {
      t.strictSame(await end(), { status: 1, signal: null }, said());
      t.match(said(), `cannot wait for ${gate}: ${place} was removed`);
    }
    t.strictSame(fs.readdirSync(machine.runDirectory), ["boot.log"]);
  },
);

await t.test(
  "what would be waited for without an end is refused",
  async (t) => {
    const machine = rehearse(t, disk, "refused");
    const gate = path.join(machine.runDirectory, "absent/go");
    const begun = begin(t, machine, "", gate);
    t.equal((await begun.end()).status, 2);
    t.match(begun.said(), `--when: there is no directory for ${gate}`);
    const finish = beginCommand(t, machine, ["finish"], gate);
    t.equal((await finish.end()).status, 2);
    t.match(finish.said(), `--when: there is no directory for ${gate}`);
    const { status, stderr } = machine.boot(
      "",
      "--dry-run",
      "--when",
      "/run/go",
    );
    t.equal(status, 2);
    t.match(stderr, "--when");
  },
);

/** The block devices that a process has open. */
function devicesOf(pid: number): string[] {
  const directory = `/proc/${String(pid)}/fd`;
  return fs
    .readdirSync(directory)
    .map((name) => fs.readlinkSync(path.join(directory, name)))
    .filter((file) => file.startsWith("/dev/") && file !== "/dev/null");
}
