import { relative } from "node:path";
import t, { type Test } from "tap";
import { makeCpio, makeKernel } from "../../../fixtures/boot-files.ts";
import { findBootFiles } from "../../../installer/deploy/find-boot-files.ts";
import type { InitramfsKind } from "../../../runtime/options/table.ts";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";

type Tree = Extract<NonNullable<Parameters<Test["testdir"]>[0]>, object>;

const K = "6.1.0-test";
const kernel = makeKernel(K);
const initramfs = makeCpio({ "usr/bin/dockroot": "" });
const modules = { "modules.dep": "" };

async function find(
  t: Test,
  tree: Tree,
  kind: InitramfsKind = "image",
  isForBtrfs = false,
) {
  const root = t.testdir(tree);
  const host = createHost(root, createLog([]));
  const request = {
    ...{ what: "the image", release: undefined, initramfs: kind },
    isForBtrfs,
  };
  const found = await findBootFiles(host, { ...request, tree: root });
  t.equal(found.release, K);
  return found.files.map(
    ({ from, name }) => `${name}: ${relative(root, from)}`,
  );
}

const layouts: Record<string, { tree: Tree; files: readonly string[] }> = {
  Debian: {
    tree: {
      boot: { [`vmlinuz-${K}`]: kernel, [`initrd.img-${K}`]: initramfs },
      usr: { lib: { modules: { [K]: modules } } },
    },
    files: [`linux: boot/vmlinuz-${K}`, `initrd: boot/initrd.img-${K}`],
  },
  "Arch Linux": {
    tree: {
      boot: {
        "vmlinuz-linux": kernel,
        "initramfs-linux.img": initramfs,
        "initramfs-linux-fallback.img": "other",
        "amd-ucode.img": "",
      },
      usr: { lib: { modules: { [K]: { ...modules, vmlinuz: kernel } } } },
    },
    files: [
      "linux: boot/vmlinuz-linux",
      "amd-ucode.img: boot/amd-ucode.img",
      "initrd: boot/initramfs-linux.img",
    ],
  },
  Fedora: {
    tree: {
      boot: { [`vmlinuz-${K}`]: kernel, [`initramfs-${K}.img`]: initramfs },
      usr: { lib: { modules: { [K]: { ...modules, vmlinuz: kernel } } } },
    },
    files: [`linux: boot/vmlinuz-${K}`, `initrd: boot/initramfs-${K}.img`],
  },
  "Fedora, where nothing was put into /boot but by dracut": {
    tree: {
      boot: { [`initramfs-${K}.img`]: initramfs },
      usr: { lib: { modules: { [K]: { ...modules, vmlinuz: kernel } } } },
    },
    files: [
      `linux: usr/lib/modules/${K}/vmlinuz`,
      `initrd: boot/initramfs-${K}.img`,
    ],
  },
  "Fedora's bootable containers": {
    tree: {
      boot: {},
      usr: {
        lib: {
          modules: {
            [K]: { ...modules, vmlinuz: kernel, "initramfs.img": initramfs },
          },
        },
      },
    },
    files: [
      `linux: usr/lib/modules/${K}/vmlinuz`,
      `initrd: usr/lib/modules/${K}/initramfs.img`,
    ],
  },
  "kernel-install": {
    tree: {
      boot: { fedora: { [K]: { linux: kernel, initrd: initramfs } } },
      usr: { lib: { modules: { [K]: modules } } },
    },
    files: [`linux: boot/fedora/${K}/linux`, `initrd: boot/fedora/${K}/initrd`],
  },
};

for (const [name, { tree, files }] of Object.entries(layouts)) {
  t.test(`kernel and initramfs in an image: ${name}`, async (t) => {
    const lib = t.fixture("symlink", "usr/lib");
    t.strictSame(await find(t, { ...tree, lib }), files);
    const made = await find(t, { ...tree, lib }, "machine");
    t.strictSame(made, files.slice(0, -1), "an initramfs is made here");
  });
}

t.test("an image without an initramfs", async (t) => {
  const tree = {
    lib: { modules: { [K]: modules } },
    boot: { [`vmlinuz-${K}`]: kernel },
  };
  await t.rejects(find(t, tree), {
    code: "KERNEL_MISSING",
    cause: { message: `/boot/vmlinuz-${K} (${K}) lacks an initramfs` },
  });
  t.strictSame(await find(t, tree, "machine"), [`linux: boot/vmlinuz-${K}`]);
});

t.test("a btrfs boots only with its program in the initramfs", async (t) => {
  const image = (paths: readonly string[], programs: Tree) => ({
    boot: {
      [`vmlinuz-${K}`]: kernel,
      [`initrd.img-${K}`]: makeCpio(
        Object.fromEntries(paths.map((name) => [name, ""])),
      ),
    },
    usr: { bin: programs, lib: { modules: { [K]: modules } } },
    lib: t.fixture("symlink", "usr/lib"),
  });
  const without = image(["usr/bin/dockroot"], {});
  await t.rejects(find(t, without, "image", true), {
    code: "KERNEL_MISSING",
    message: `the initramfs /boot/initrd.img-${K} of the image does not contain usr/lib/dockroot/bin/btrfs, and would not boot from this machine's btrfs`,
  });
  await t.rejects(find(t, without, "machine", true), {
    code: "KERNEL_MISSING",
    message: /^the image does not contain the program btrfs/,
  });
  t.equal((await find(t, without)).length, 2);
  const whole = image(["usr/bin/dockroot", "usr/lib/dockroot/bin/btrfs"], {
    btrfs: "",
  });
  t.equal((await find(t, whole, "image", true)).length, 2);
  t.equal((await find(t, whole, "machine", true)).length, 1);
});
