// runner: tier=first seconds=12
import fs from "fs-extra";
import path from "node:path";
import t, { type Test } from "tap";
import { run } from "../../../fixtures/run.ts";
import { compareListings, listTree } from "../../../fixtures/tree-listing.ts";
import { undoLater } from "../../../fixtures/undo.ts";
import { unmountBelow } from "../../../fixtures/unmount.ts";
import { findProgram } from "../../runner/find-program.ts";
import {
  makeBootDisk,
  rehearse,
  type BootDisk,
  type Rehearsal,
} from "../boot-disk.ts";

const disk = await makeBootDisk(t, "overlay-fallback", undefined, "ext4", {
  inodes: 4096,
});

const LAST = "dockroot.fallback=last";

/** The kernel's own directory of each root changes with each try to mount it. */
const KERNELS = /^$|^filling|\/work(?:\/work)?$/;

/** Boots twice, each time writing to the root which boot it was. */
function prepare(t: Test, name: string): Rehearsal {
  const machine = rehearse(t, disk, name);
  for (const count of [1, 2]) {
    const { status, stderr } = machine.boot();
    t.equal(status, 0, stderr);
    fs.writeFileSync(`${rootOf(machine)}/etc/written`, String(count));
    t.equal(machine.finish().status, 0);
  }
  return machine;
}

const rootOf = (machine: Rehearsal) => path.join(machine.runDirectory, "root");

const written = (machine: Rehearsal) =>
  fs.readFileSync(`${rootOf(machine)}/etc/written`, "utf8");

/** Nobody can lock the disk meanwhile. */
async function withoutLock(work: () => void): Promise<void> {
  const flock = findProgram("flock") ?? "";
  const release = undoLater(() => unmountBelow(flock));
  await run(["mount", "--bind", findProgram("false") ?? "", flock]);
  try {
    work();
  } finally {
    await release();
  }
}

const listDisk = ({ look }: BootDisk, except: RegExp) =>
  look((top) =>
    Object.fromEntries(
      Object.entries(listTree(top)).filter(([file]) => !except.test(file)),
    ),
  );

await t.test("with no inodes left an earlier root boots", async (t) => {
  const machine = prepare(t, "inodes");
  const fill = (top: string) => {
    fs.mkdirSync(`${top}/filling`);
    for (let count = 0; ; count += 1) {
      try {
        fs.writeFileSync(`${top}/filling/${String(count)}`, "");
      } catch (error) {
        t.match(error, { code: "ENOSPC" });
        return;
      }
    }
  };
  await disk.look(fill);
  const before = await listDisk(disk, KERNELS);
  for (let count = 1; count <= 2; count += 1) {
    const { status, stderr } = machine.boot(LAST);
    t.equal(status, 0, stderr);
    t.match(machine.record(), {
      ...{ result: "fallback", boot: 2, root: "inodes", restored: null },
      failure: { causes: [/No space left on device|ENOSPC/] },
    });
    t.match(stderr, /what is written to it stays in memory and is lost/);
    t.equal(written(machine), "2");
    fs.writeFileSync(`${rootOf(machine)}/etc/written`, "gone");
    t.equal(machine.finish().status, 0);
  }
  t.strictSame(compareListings(await listDisk(disk, KERNELS), before), []);
  await disk.look((top) => {
    fs.rmSync(`${top}/filling`, { recursive: true });
  });
  t.equal(machine.boot(LAST).status, 0);
  t.match(machine.record(), { result: "fresh", boot: 3 });
  t.equal(machine.finish().status, 0);
});

await t.test(
  "from a disk that takes no writes an earlier root boots, also after a power failure",
  async (t) => {
    const machine = prepare(t, "power-failure");
    await disk.look(async (top) => {
      fs.writeFileSync(`${top}/in-the-journal`, "");
      // The log is written, and what is in it not yet in its place.
      await run(["xfs_io", "-x", "-c", "shutdown -f", top]);
    });
    t.match(await run(["dumpe2fs", "-h", disk.device]), /needs_recovery/);
    await run(["blockdev", "--setro", disk.device]);
    try {
      const { status, stderr } = machine.boot(LAST);
      t.equal(status, 0, stderr);
      t.match(machine.record(), { result: "fallback", boot: 2 });
      t.match(stderr, /its journal has some that are not in their place/);
      t.equal(machine.finish().status, 0);
    } finally {
      await run(["blockdev", "--setrw", disk.device]);
    }
    await disk.look((top) => {
      fs.rmSync(`${top}/in-the-journal`);
    });
  },
);

await t.test(
  "from a disk that takes no writes an earlier root boots",
  async (t) => {
    const machine = prepare(t, "write-protected");
    await run(["blockdev", "--setro", disk.device]);
    try {
      const { status, stderr } = machine.boot(LAST);
      t.equal(status, 0, stderr);
      t.match(machine.record(), {
        ...{ result: "fallback", boot: 2 },
        failure: { code: "DEVICE_UNSUITABLE" },
      });
      fs.writeFileSync(`${rootOf(machine)}/etc/written`, "gone");
      t.equal(machine.finish().status, 0);
    } finally {
      await run(["blockdev", "--setrw", disk.device]);
    }
  },
);

await t.test("what is written to an earlier root can stay in memory", (t) => {
  const machine = prepare(t, "tmpfs");
  const generation = ".dockroot/tmpfs/generations/1";
  for (const [options, result, boot] of [
    [`dockroot.root=${generation}`, "generation", 1],
    [`docker_image=none:1 ${LAST}`, "fallback", 2],
  ] as const) {
    for (let count = 1; count <= 2; count += 1) {
      const { status, stderr } = machine.boot(
        `${options} dockroot.upper=tmpfs`,
      );
      t.equal(status, 0, stderr);
      t.match(machine.record(), { result, boot, warnings: [] });
      t.equal(written(machine), String(boot));
      fs.writeFileSync(`${rootOf(machine)}/etc/written`, "gone");
      t.equal(machine.finish().status, 0);
    }
  }
  t.end();
});

for (const [what, damage] of Object.entries<(root: string) => void>({
  "has an empty record": (root) => {
    fs.truncateSync(`${root}/root.json`);
  },
  "has a damaged record": (root) => {
    fs.writeFileSync(`${root}/root.json`, '{"version": 2');
  },
  "has no record": (root) => {
    fs.rmSync(`${root}/root.json`);
  },
  "is empty": (root) => {
    fs.emptyDirSync(root);
  },
  "is a file": (root) => {
    fs.rmSync(root, { recursive: true });
    fs.writeFileSync(root, "mine");
  },
})) {
  await t.test(
    `where the present root ${what}, an earlier one boots`,
    async (t) => {
      const name = what.replaceAll(" ", "-");
      const machine = prepare(t, name);
      await disk.look((top) => {
        damage(`${top}/${name}`);
      });
      const generation = `.dockroot/${name}/generations/1`;
      // What the earlier root gets, and the kernel's, and the reason of the fallback.
      const changing = new RegExp(
        `^$|^${generation}(?:/(?:upper|work)|/root.json|$)|/last-failure.log$|^.dockroot/${name}$`,
      );
      const before = await listDisk(disk, changing);
      for (const [options, text] of [
        ["", "1"],
        ["", "again"],
      ] as const) {
        const { status, stderr } = machine.boot(`${options} ${LAST}`);
        t.equal(status, 0, stderr);
        t.match(machine.record(), {
          ...{ result: "fallback", boot: 1, root: generation, restored: null },
          failure: { code: "RWLAYER_FOREIGN" },
        });
        t.equal(written(machine), text);
        fs.writeFileSync(`${rootOf(machine)}/etc/written`, "again");
        t.equal(machine.finish().status, 0);
      }
      t.strictSame(compareListings(await listDisk(disk, changing), before), []);
    },
  );
}

await t.test(
  "where the disk cannot be locked, an earlier root boots from where it is",
  async (t) => {
    const machine = prepare(t, "unlocked");
    await disk.look((top) => {
      fs.emptyDirSync(`${top}/unlocked`);
    });
    await withoutLock(() => {
      const { status, stderr } = machine.boot(LAST);
      t.equal(status, 0, stderr);
    });
    t.match(machine.record(), {
      ...{ result: "fallback", boot: 1, restored: null },
      root: ".dockroot/unlocked/generations/1",
      failure: { message: /lock the disk/ },
    });
    t.equal(written(machine), "1");
    t.equal(machine.finish().status, 0);
  },
);

await t.test(
  "one that would be renamed boots with its writes in memory then",
  async (t) => {
    const machine = prepare(t, "not-renamed");
    const init = "not-renamed/upper/sbin/init";
    await disk.look((top) => {
      fs.outputFileSync(`${top}/${init}`, "not executable");
    });
    const generation = ".dockroot/not-renamed/generations/1";
    // The kernel's, and the reason of the fallback.
    const changing = new RegExp(
      `${KERNELS.source}|/last-failure.log$|^.dockroot/not-renamed$|^${path.dirname(init)}$`,
    );
    const before = await listDisk(disk, changing);
    await withoutLock(() => {
      const { status, stderr } = machine.boot(LAST);
      t.equal(status, 0, stderr);
    });
    t.match(machine.record(), {
      ...{ result: "fallback", boot: 1, restored: null, root: generation },
      warnings: [
        /cannot lock the run directory/,
        /the earlier root not-renamed cannot boot: /,
        `the earlier root ${generation} cannot boot: it would be renamed, and the disk's lock is not held`,
        /what is written to it stays in memory/,
      ],
    });
    t.equal(written(machine), "1");
    fs.writeFileSync(`${rootOf(machine)}/etc/written`, "gone");
    t.equal(machine.finish().status, 0);
    t.strictSame(compareListings(await listDisk(disk, changing), before), []);
  },
);
