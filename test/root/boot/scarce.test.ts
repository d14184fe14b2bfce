// runner: tier=first seconds=12
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import t from "tap";
import { executable, type Outcome } from "../../binary/run-dockroot.ts";
import { makeBootDisk, rehearse, type Rehearsal } from "../boot-disk.ts";

/** Below it Node itself does not start. */
const LEAST_DESCRIPTORS = 20;
/** What a boot needs at most. */
const ENOUGH_DESCRIPTORS = 40;
/** With so many it can write down why it fails. */
const RECORDED_FROM = 22;

const disk = await makeBootDisk(t, "scarce");

/** Boots a machine whose command line is written. @param ulimit its option and value */
function bootWithin(machine: Rehearsal, ulimit: string): Outcome {
  const directory = path.dirname(machine.runDirectory);
  fs.rmSync(path.join(machine.runDirectory, "boot.json"), { force: true });
  const { status, stdout, stderr } = spawnSync(
    "sh",
    [
      ...["-c", `ulimit ${ulimit} && exec "$0" "$@"`, executable, "boot"],
      ...["--cmdline", path.join(directory, "cmdline")],
      ...["--config", path.join(directory, "config.json")],
      ...["--run-dir", machine.runDirectory],
    ],
    { encoding: "utf8" },
  );
  return { status, stdout, stderr };
}

await t.test("with few file descriptors it says what it cannot do", (t) => {
  const machine = rehearse(t, disk, "descriptors");
  // Writes the kernel command line.
  machine.boot("", "--dry-run");
  let booted = 0;
  for (let count = LEAST_DESCRIPTORS; count <= ENOUGH_DESCRIPTORS; count += 1) {
    const { status, stderr } = bootWithin(machine, `-n ${String(count)}`);
    const name = `${String(count)}: ${stderr}`;
    t.notMatch(stderr, /^ +at .*:\d+/m, name);
    if (status === 0) {
      booted += 1;
      t.equal(machine.finish().status, 0);
      continue;
    }
    t.equal(status, 1, name);
    t.match(stderr, /^dockroot: [^\n]+\n {2}because: [^]*EMFILE/m, name);
    if (count < RECORDED_FROM) continue;
    const { result, failure } = machine.record();
    t.equal(result, "failed", name);
    t.not(failure?.code, "BUG", name);
  }
  t.ok(booted > 0, "with more it boots");
  t.end();
});

await t.test(
  "where files cannot be as large as what it records, nothing is touched",
  async (t) => {
    const machine = rehearse(t, disk, "sizes", "docker_image=system:1");
    for (const options of ["", "dockroot.rwlayer=keep"]) {
      t.equal(machine.boot(options).status, 0);
      t.equal(machine.finish().status, 0);
      const before = await disk.subvolumes();
      for (const blocks of [0, 1, 2]) {
        machine.boot(`${options} dockroot.fallback=last`, "--dry-run");
        const { status, stderr } = bootWithin(machine, `-f ${String(blocks)}`);
        t.equal(status, 1, stderr);
        t.match(stderr, /cannot record a boot: the file size limit is \d+/);
        t.match(stderr, /what to do: .*ulimit -f unlimited/);
      }
      t.strictSame(await disk.subvolumes(), before);
      t.equal((await disk.traces()).length, 1, "its loop device alone");
    }
    machine.boot("", "--dry-run");
    t.equal(bootWithin(machine, "-f 100000").status, 0);
    t.equal(machine.finish().status, 0);
  },
);
