// runner: tier=first seconds=30
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "fs-extra";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { makeCpio, makeKernel } from "../../../fixtures/boot-files.ts";
import { run } from "../../../fixtures/run.ts";
import { scaleTimeout } from "../../../fixtures/slowness.ts";
import type { Deployments } from "../../../runtime/records/deployments.ts";
import { makeBootDisk } from "../boot-disk.ts";
import {
  addGenerator,
  formatListing,
  INITRAMFS,
} from "./stand-in-generator.ts";
import {
  prepareSystem,
  runInSystem,
  type PrivateSystem,
} from "../private-system.ts";

const RELEASE = "6.1.0-50-test";
const OWN = ".dockroot/docker_rwlayer";

const made = makeCpio(INITRAMFS);
const addToTree = (tree: string) => {
  const kernel = makeKernel(RELEASE);
  fs.outputFileSync(`${tree}/boot/vmlinuz-${RELEASE}`, kernel);
  return addGenerator(tree, RELEASE, made);
};
const addMenu = (top: string) => {
  fs.outputFileSync(`${top}/grub/grub.cfg`, "source custom.cfg\n");
};
const disk = await makeBootDisk(t, "machine-initramfs", addToTree);
await disk.look(addMenu);
const system: PrivateSystem = {
  etc: {},
  cmdline: `root=LABEL=${disk.label} rootflags=subvol=docker_rwlayer rw docker_path=docker docker_image=system:1 quiet`,
  store: ["-o", "subvol=docker", `LABEL=${disk.label}`],
};
const scratch = path.join(disk.scratch, "system");
const dockroot = (etc: PrivateSystem["etc"], ...args: string[]) =>
  runInSystem(scratch, { ...system, etc }, ...args);
const upgrade = ["upgrade", "--pull=never"];
const configured = { "dockroot.json": '{ "initramfs": "machine" }' };
/** Changes a file of the image, which Docker would not notice. */
const change = (file: string, text: string | Buffer) =>
  disk.look((top) => {
    const layers = `${top}/docker/btrfs/subvolumes`;
    for (const name of fs.readdirSync(layers)) {
      const found = `${layers}/${name}/${file}`;
      if (fs.existsSync(found)) fs.writeFileSync(found, text);
    }
  });
const readState = () =>
  disk.look(
    (top) => fs.readJsonSync(`${top}/${OWN}/deployments.json`) as Deployments,
  );
const expectClean = async () => {
  const names = await disk.look((top) => fs.readdirSync(`${top}/${OWN}`));
  t.strictSame(names, ["deployments.json"], "nothing is left");
  t.notOk("isBuilding" in (await readState()));
};

await t.test("the image has no initramfs, and needs none here", async (t) => {
  const { status, stderr } = dockroot({}, ...upgrade);
  t.equal(status, 1);
  t.match(stderr, "lacks an initramfs");
  const before = await disk.subvolumes();
  const dry = dockroot(configured, ...upgrade, "--dry-run");
  t.equal(dry.status, 0, dry.stderr);
  t.match(dry.stdout, "initramfs to be made here by initramfs-tools");
  t.strictSame(await disk.subvolumes(), before);
  await disk.look((top) => {
    t.notOk(fs.existsSync(`${top}/.dockroot`));
  });
});

await t.test("a generator that fails changes nothing", async (t) => {
  await change(
    "behaviour",
    `read -r text </etc/initramfs-tools/conf.d/zz-dockroot
echo "$text"
while read -r device at type rest; do
  [ "$at" != / ] || { [ -b "$device" ] && echo "$type on $device"; }
done </proc/mounts
exit 3
`,
  );
  const before = await disk.subvolumes();
  const { status, stdout, stderr } = dockroot(configured, ...upgrade);
  t.equal(status, 1);
  t.match(stdout, "  | MODULES=dep\n", "what it said is told");
  t.match(stdout, `  | btrfs on ${disk.device}\n`, "it sees disk and root");
  t.match(stderr, "cannot build the initramfs of the image system:1");
  t.match(stderr, "Nothing was changed");
  t.strictSame(await disk.subvolumes(), before);
  await expectClean();
});

await t.test("what it makes must boot the image", async (t) => {
  await change("behaviour", "");
  await change("listing", formatListing(["usr/bin/busybox"]));
  const { status, stderr } = dockroot(configured, ...upgrade);
  t.equal(status, 1);
  t.match(stderr, "does not contain usr/bin/dockroot");
  await expectClean();
  await change("listing", formatListing(Object.keys(INITRAMFS)));
});

await t.test("dockroot is killed while it is made", async (t) => {
  const marker = `/dev/shm/${disk.label}`;
  t.teardown(() => {
    fs.removeSync(marker);
  });
  await change("behaviour", `echo >${marker}; while :; do :; done\n`);
  const call = prepareSystem(scratch, { ...system, etc: configured });
  const [program = "", ...args] = [...call, ...upgrade];
  const child = spawn(program, args, { stdio: "ignore" });
  const exit = once(child, "exit");
  await until(() => fs.existsSync(marker));
  child.kill("SIGKILL");
  await exit;
  await until(() => !isAtWork());
  t.ok((await readState()).isBuilding);
  await change("behaviour", "");
  const { status, stderr } = dockroot({}, "gc");
  t.equal(status, 0, stderr);
  await expectClean();
});

await t.test("what is not known to be dockroot's is in the way", async (t) => {
  const file = `${OWN}/building`;
  await disk.look((top) =>
    run(["btrfs", "subvolume", "create", `${top}/${file}`]),
  );
  const { status, stderr } = dockroot(configured, ...upgrade);
  t.equal(status, 1);
  t.match(stderr, `${file} is in the way`);
  t.ok(file in (await disk.subvolumes()));
  await disk.look((top) =>
    run(["btrfs", "subvolume", "delete", `${top}/${file}`]),
  );
});

await t.test("a deployment with an initramfs of this machine", async (t) => {
  const { status, stdout, stderr } = dockroot(configured, ...upgrade);
  t.equal(status, 0, stderr);
  t.match(stdout, "initramfs made here by initramfs-tools");
  const { deployments } = await readState();
  t.match(deployments, [{ n: 1, kernel: { initramfs: "machine" } }]);
  await expectClean();
  await disk.look((top) => {
    const file = `${top}/${bootFiles(deployments[0])}/initrd`;
    t.ok(fs.readFileSync(file).equals(made));
  });
  const again = dockroot(configured, ...upgrade);
  t.match(again.stdout, "Nothing new");
  const json = dockroot({}, "deployments", "--json");
  t.match(JSON.parse(json.stdout), {
    deployments: [{ kernel: { initramfs: "machine" } }],
  });
});

await t.test("one that is lost is made again", async (t) => {
  const before = await readState();
  await disk.look((top) => {
    fs.removeSync(`${top}/${bootFiles(before.deployments[0])}/initrd`);
  });
  const { status, stderr } = dockroot({}, "gc");
  t.equal(status, 0, stderr);
  t.match(stderr, /cannot restore dockroot 1: .*made on this machine/);
  await change("made", makeCpio({ ...INITRAMFS, another: "driver" }));
  const next = dockroot({}, ...upgrade, "--initramfs=machine");
  t.equal(next.status, 0, next.stderr);
  const after = await readState();
  t.equal(after.next, 2);
  const [last] = after.deployments.slice(-1);
  t.not(last?.kernel.digest, before.deployments[0]?.kernel.digest);
});

await t.test("it sees the disk where roots are overlays, too", async (t) => {
  const ext4 = await makeBootDisk(
    ...([t, "machine-initramfs-ext4"] as const),
    async (tree) => {
      await addToTree(tree);
      for (let n = 0; n < 300; n += 1) {
        fs.outputFileSync(`${tree}/many/${String(n)}`, "");
      }
      fs.writeFileSync(
        `${tree}/behaviour`,
        `while read -r device at type rest; do
  [ "$at" != / ] || { [ "$type" = ext4 ] && [ -b "$device" ]; } || exit 4
done </proc/mounts
`,
      );
    },
    "ext4",
  );
  await ext4.look(addMenu);
  const top = path.join(ext4.scratch, "top");
  fs.mkdirSync(top);
  const upgradeThere = () =>
    runInSystem(
      path.join(ext4.scratch, "system"),
      {
        etc: configured,
        cmdline: `root=LABEL=${ext4.label} rw docker_path=docker docker_image=system:1`,
        mounts: [[`LABEL=${ext4.label}`, top]],
      },
      ...upgrade,
    );
  // Enough for the layers' directories.
  await ext4.look((top) => {
    fs.mkdirSync(`${top}/full`);
    const { ffree } = fs.statfsSync(top);
    for (let n = 0; n < ffree - 1250; n += 1) {
      fs.closeSync(fs.openSync(`${top}/full/${String(n)}`, "w"));
    }
  });
  const refused = upgradeThere();
  await ext4.look((top) => fs.remove(`${top}/full`));
  t.equal(refused.status, 1);
  t.match(
    refused.stderr,
    /no room for a copy of the image.*: it has \d+ files/,
  );
  const { status, stderr } = upgradeThere();
  t.equal(status, 0, stderr);
  await ext4.look((top) => {
    const names = fs.readdirSync(`${top}/${OWN}`).sort();
    t.strictSame(names, ["deployments.json", "reserve"]);
    const file = `${top}/${OWN}/deployments.json`;
    const { deployments } = fs.readJsonSync(file) as Deployments;
    const initrd = `${top}/${bootFiles(deployments[0])}/initrd`;
    t.ok(fs.readFileSync(initrd).equals(made));
  });
});

function bootFiles(deployment: Deployments["deployments"][number] | undefined) {
  return `dockroot/${deployment?.kernel.digest ?? ""}`;
}

/** Whether a process has the tree in which an initramfs is made for its root. */
function isAtWork(): boolean {
  return fs
    .readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .some((id) => {
      try {
        const root = fs.readlinkSync(`/proc/${id}/root`);
        return root.endsWith(`${OWN}/building`);
      } catch {
        return false;
      }
    });
}

async function until(isSo: () => boolean): Promise<void> {
  const end = Date.now() + scaleTimeout(20_000);
  while (!isSo()) {
    if (Date.now() > end) throw new Error("it does not come to that");
    await sleep(50);
  }
}
