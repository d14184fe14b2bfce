// runner: tier=first seconds=5
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import t from "tap";
import { run } from "../../../fixtures/run.ts";
import { executable, type Outcome } from "../../binary/run-dockroot.ts";
import { makeBootDisk, rehearse, type Rehearsal } from "../boot-disk.ts";

// What an initramfs mounts as root after `dockroot boot` is looked at by `dockroot finish`.

/** As in an initramfs: `/` is a tmpfs. What is mounted there goes with the process. */
const ENTER = `
set -e; root=$1 machines=$2 script=$3
mount -t tmpfs tmpfs "$root"; cd "$root"
mkdir -p usr dev proc sys run tmp dist root new_root sysroot ".$machines"
for link in bin lib lib64 sbin; do ln -s usr/$link $link; done
for directory in usr dev sys "$machines"; do mount --rbind "/$directory" "./$directory"; done
mount -t proc proc proc
mount --bind -- "$4" dist
exec chroot . sh -c "$script"
`;

const disk = await makeBootDisk(t, "other-root");
await disk.look(async (top) => {
  await run(["btrfs", "subvolume", "create", `${top}/other`]);
});

/** Finishes where the initramfs has run `mountRoot`. */
function finishIn({ runDirectory }: Rehearsal, mountRoot: string): Outcome {
  const root = path.join(disk.scratch, "initramfs");
  fs.mkdirSync(root, { recursive: true });
  const script = `set -e; ${mountRoot}; exec /dist/dockroot finish --run-dir '${runDirectory}'`;
  const { status, stdout, stderr } = spawnSync(
    "unshare",
    [
      ...["--mount", "--propagation", "private", "--", "sh", "-c", ENTER],
      ...[
        "sh",
        root,
        path.join(disk.scratch, "machines"),
        script,
        path.dirname(executable),
      ],
    ],
    { encoding: "utf8" },
  );
  return { status, stdout, stderr };
}

const mountAt = (at: string, subvolume: string) =>
  `mount -o 'subvol=${subvolume}' ${disk.device} ${at}`;

await t.test("the root that was made starts", (t) => {
  for (const at of ["new_root", "root", "sysroot"]) {
    const machine = rehearse(t, disk, `right-${at}`);
    t.equal(machine.boot().status, 0);
    const { status, stderr } = finishIn(
      machine,
      mountAt(`/${at}`, machine.rwlayer),
    );
    t.equal(status, 0, stderr);
    t.notMatch(stderr, /WARNING|ERROR|another root/);
  }
  t.end();
});

await t.test("so does one with an overlay over it", (t) => {
  const machine = rehearse(t, disk, "covered");
  t.equal(machine.boot("dockroot.fallback=none").status, 0);
  const { status, stderr } = finishIn(
    machine,
    `${mountAt("/sysroot", "covered")}; mount -t tmpfs over /sysroot`,
  );
  t.equal(status, 0, stderr);
  t.notMatch(stderr, /WARNING|ERROR|another root/);
  t.end();
});

await t.test("so does none, as in a rehearsal", (t) => {
  const machine = rehearse(t, disk, "nothing");
  t.equal(machine.boot().status, 0);
  const { status, stderr } = finishIn(machine, ":");
  t.equal(status, 0, stderr);
  t.notMatch(stderr, /WARNING|ERROR|another root/);
  t.end();
});

/** What an initramfs may have mounted instead. */
const others: Record<string, readonly [mount: string, what: string]> = {
  // What rootflags= in quotes comes to where an initramfs takes them for a part of the name.
  "another subvolume": [mountAt("/root", "other"), "/root is other"],
  "the top level": [mountAt("/sysroot", "/"), "/sysroot is the top level"],
  "a former root": [
    mountAt("/sysroot", ".dockroot/ROOT/generations/1"),
    "/sysroot is .dockroot/ROOT/generations/1",
  ],
  "another filesystem": [
    "mount -t tmpfs somewhere /new_root",
    "/new_root is tmpfs of somewhere",
  ],
};

for (const [index, [name, [mount, what]]] of Object.entries(others).entries()) {
  await t.test(`${name} is told, and stops the boot if asked`, async (t) => {
    const machine = rehearse(t, disk, `wrong-${String(index)}`);
    const { rwlayer, runDirectory } = machine;
    const inRoot = (text: string) => text.replaceAll("ROOT", rwlayer);
    const told = `the initramfs has mounted another root: ${inRoot(what)}, not ${rwlayer}\n`;
    const mark = path.join(runDirectory, "other-root");
    // For a generation.
    t.equal(machine.boot().status, 0);
    t.equal(machine.finish().status, 0);
    const traces = await disk.traces();

    t.equal(machine.boot("dockroot.fallback=last").status, 0);
    const goesOn = finishIn(machine, inRoot(mount));
    t.equal(goesOn.status, 0, goesOn.stderr);
    t.match(goesOn.stderr, told);
    t.match(
      goesOn.stderr,
      /^\*{72}\nWARNING: [^]*\nTHE SYSTEM STARTS WITH IT/m,
    );
    t.match(goesOn.stderr, "To stop the boot instead: dockroot.fallback=none.");
    t.notOk(fs.existsSync(mark));

    machine.finish();
    t.strictSame(await disk.traces(), traces);
    t.equal(machine.boot("dockroot.fallback=none").status, 0);
    const stops = finishIn(machine, inRoot(mount));
    t.equal(stops.status, 1, stops.stderr);
    t.match(stops.stderr, told);
    t.match(stops.stderr, /^\*{72}\nERROR: [^]*\nTHE BOOT STOPS HERE/m);
    t.ok(fs.existsSync(mark), "by which a hook knows it");

    t.comment("and the right one boots after all");
    const { status, stderr } = finishIn(machine, mountAt("/sysroot", rwlayer));
    t.equal(status, 0, stderr);
    t.notMatch(stderr, /another root/);
    t.notOk(fs.existsSync(mark));
    machine.finish();
    t.strictSame(await disk.traces(), traces);
  });
}
