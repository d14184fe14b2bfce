// runner: tier=first seconds=10
import fs from "fs-extra";
import path from "node:path";
import t from "tap";
import { makeKernel } from "../../../fixtures/boot-files.ts";
import { makeBootDisk } from "../boot-disk.ts";
import { runInSystem, type PrivateSystem } from "../private-system.ts";

// A Debian as most are: its root on ext4, and Docker's images in a directory of it, by overlay2.

const KERNEL = "6.1.0-9-test";

const disk = await makeBootDisk(
  t,
  "overlay-system",
  (tree) => {
    fs.outputFileSync(`${tree}/etc/passwd`, "root:x:0:0::/root:/bin/sh\n");
    fs.outputFileSync(`${tree}/etc/group`, "root:x:0:\n");
    fs.outputFileSync(`${tree}/etc/shadow`, "root:*:1::::::\n");
    fs.outputFileSync(`${tree}/lib/modules/${KERNEL}/modules.dep`, "");
    fs.outputFileSync(`${tree}/boot/vmlinuz-${KERNEL}`, makeKernel(KERNEL));
    fs.outputFileSync(`${tree}/boot/initrd.img-${KERNEL}`, "an initramfs");
  },
  "ext4",
);
const scratch = path.join(disk.scratch, "system");
const TOP = path.join(disk.scratch, "top");
fs.mkdirSync(TOP);
await disk.look((top) => {
  fs.mkdirSync(`${top}/home`);
});

const system: PrivateSystem = {
  etc: {
    fstab: "UUID=aaaa / ext4 errors=remount-ro 0 1\n",
    hostname: "laptop\n",
    passwd: "root:x:0:0::/root:/bin/sh\n",
    group: "root:x:0:\n",
    shadow: "root:$6$x$y:1::::::\n",
  },
  mounts: [
    [`LABEL=${disk.label}`, TOP],
    ["--bind", `${TOP}/docker`, "/var/lib/docker"],
    ["--bind", `${TOP}/home`, "/home"],
  ],
};
const dockroot = (...args: string[]) => runInSystem(scratch, system, ...args);
const STORE_LINE =
  "/run/initramfs/dockroot/docker  /var/lib/docker  none  bind  0  0";
const HOME_LINE = "/run/initramfs/dockroot/home  /home  none  bind  0  0";

await t.test("a top layer, for a root that is an overlay", async (t) => {
  const before = await disk.traces();
  const directory = path.join(TOP, "boot_docker");
  const init = dockroot(
    ...["toplayer", "init", directory, "--yes", "--image", "system:2"],
  );
  t.equal(init.status, 0, init.stderr);
  t.match(init.stdout, "  sudo dockroot upgrade system:2\n");
  const read = () =>
    disk.look((top) => fs.readFileSync(`${top}/boot_docker/etc/fstab`, "utf8"));
  t.match(await read(), `${STORE_LINE}\n`);
  t.match(await read(), `${HOME_LINE}\n`, "people find their files");
  t.notMatch(await read(), /^UUID=aaaa/m);
  const check = () =>
    dockroot("toplayer", "check", directory, "--image", "system:2");
  const good = check();
  t.equal(good.status, 0, good.stdout + good.stderr);
  await disk.look((top) => {
    const file = `${top}/boot_docker/etc/fstab`;
    fs.appendFileSync(file, `LABEL=${disk.label} / ext4 defaults 0 1\n`);
  });
  t.match(check(), {
    status: 1,
    stdout: /names another root: root is an overlay of the image's layers/,
  });
  await disk.look((top) => {
    fs.removeSync(`${top}/boot_docker/etc/fstab`);
  });
  t.strictSame(await disk.traces(), before, "nothing stays mounted");
});

await t.test("an entry without a subvolume", async (t) => {
  const options = `root=LABEL=${disk.label} rw docker_path=docker`;
  const copied = dockroot("boot-entry", "--image", "system:2");
  t.equal(copied.status, 1);
  t.match(
    copied.stderr,
    new RegExp(
      `mount /dev/loop\\d+ /mnt; .*cp /mnt/docker/overlay2/[0-9a-f]+/diff/boot/vmlinuz-${KERNEL} `,
    ),
  );
  await disk.look((top) => {
    const boot = `${top}/boot_docker`;
    fs.outputFileSync(`${boot}/vmlinuz`, makeKernel(KERNEL));
    fs.outputFileSync(`${boot}/initrd.img`, "an initramfs");
  });
  const { status, stdout, stderr } = dockroot(
    ...["boot-entry", "--image", "system:2"],
  );
  t.equal(status, 0, stderr);
  t.match(stdout, `"${options} toplayer=LABEL=${disk.label}`);
  t.notMatch(stdout, /subvol|dockroot\.root/);
  t.notMatch(stderr, /has no modules/);
  const next = runInSystem(
    scratch,
    {
      ...system,
      cmdline: `${options} dockroot.root=other docker_image=system:1 ro`,
    },
    ...["boot-entry", "--image", "system:2"],
  );
  t.match(
    next.stdout,
    /"root=\S+ dockroot\.root=other rw docker_path=docker docker_image=system:2"/,
  );
});
