import fs from "fs-extra";
import path from "node:path";
import t, { type Test } from "tap";
import { dracut } from "../../../installer/generators/dracut.ts";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";

const V = "6.4.0-1-default";

const MACHINE = "0123456789abcdef0123456789abcdef";

const modules = { [`lib/modules/${V}/modules.dep`]: "" };

const inBoot = { ...modules, [`boot/vmlinuz-${V}`]: "" };

const installed = (root: string) => ({
  ...modules,
  [`lib/modules/${V}/vmlinuz`]: "",
  [`${root}/${MACHINE}/${V}/linux`]: "",
});

/** openSUSE's. */
const NAMED = {
  "usr/lib/dracut/dracut.conf.d/01-dist.conf":
    'initrdname="initrd-${kernel}"\n',
};

async function imagesIn(t: Test, files: Readonly<Record<string, string>>) {
  const root = t.testdir({ proc: { self: { mountinfo: "" } } });
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(root, name);
    // The name that openSUSE has is a link.
    if (name === "boot/initrd") fs.ensureSymlinkSync(text, file);
    else fs.outputFileSync(file, text);
  }
  const host = createHost(root, createLog([]));
  const builds = await dracut.builds(host, "configured");
  return builds.flatMap(({ images }) => images.map(({ path }) => path));
}

for (const [what, files, image] of [
  [
    "openSUSE's name",
    { ...inBoot, ...NAMED, [`boot/initrd-${V}`]: "" },
    `/boot/initrd-${V}`,
  ],
  ["openSUSE's, not made yet", { ...inBoot, ...NAMED }, `/boot/initrd-${V}`],
  [
    "such a name without a word of it in the configuration",
    { ...inBoot, [`boot/initrd-${V}`]: "" },
    `/boot/initrd-${V}`,
  ],
  [
    "OpenMandriva's",
    { ...inBoot, [`boot/initrd-${V}.img`]: "" },
    `/boot/initrd-${V}.img`,
  ],
  ["Fedora's, not made yet", inBoot, `/boot/initramfs-${V}.img`],
  [
    "Debian's, not made yet",
    { ...inBoot, "etc/debian_version": "13" },
    `/boot/initrd.img-${V}`,
  ],
  [
    "kernel-install's layout",
    { ...installed("boot"), [`boot/${MACHINE}/${V}/initrd`]: "" },
    `/boot/${MACHINE}/${V}/initrd`,
  ],
  [
    "kernel-install's, not made yet",
    installed("efi"),
    `/efi/${MACHINE}/${V}/initrd`,
  ],
  [
    "of two the one that the menu boots",
    {
      ...inBoot,
      [`boot/initrd.img-${V}`]: "",
      [`boot/initramfs-${V}.img`]: "",
      "boot/grub2/grub.cfg": `menuentry x {\n linux /@/boot/vmlinuz-${V}\n initrd /@/boot/initramfs-${V}.img\n}\n`,
    },
    `/boot/initramfs-${V}.img`,
  ],
  [
    "in a directory of kernel-install's that the menu names",
    {
      ...inBoot,
      ...installed("boot"),
      [`boot/initrd-${V}`]: "",
      [`boot/${MACHINE}/${V}/initrd`]: "",
      "boot/loader/entries/x.conf": `linux /${MACHINE}/${V}/linux\ninitrd /${MACHINE}/${V}/initrd\n`,
    },
    `/boot/${MACHINE}/${V}/initrd`,
  ],
  [
    "beside such a directory that the menu does not name",
    {
      ...inBoot,
      ...installed("boot"),
      [`boot/initrd-${V}`]: "",
      [`boot/${MACHINE}/${V}/initrd`]: "",
      "boot/loader/entries/x.conf": `linux /vmlinuz-${V}\ninitrd /initrd-${V}\n`,
    },
    `/boot/initrd-${V}`,
  ],
  [
    "by a link that the menu names",
    {
      ...inBoot,
      ...installed("boot"),
      [`boot/initrd-${V}`]: "",
      [`boot/initramfs-${V}.img`]: "",
      "boot/initrd": `initrd-${V}`,
      [`boot/${MACHINE}/${V}/initrd`]: "",
      "boot/loader/entries/x.conf": `linux /vmlinuz\ninitrd /initrd\n`,
    },
    `/boot/initrd-${V}`,
  ],
] as const) {
  t.test(`dracut's image: ${what}`, async (t) => {
    t.strictSame(await imagesIn(t, files), [image]);
  });
}

t.test("a kernel of kernel-install's alone counts", async (t) => {
  const files = {
    ...modules,
    [`lib/modules/5.0/modules.dep`]: "",
    [`boot/${MACHINE}/${V}/linux`]: "",
  };
  t.strictSame(await imagesIn(t, files), [`/boot/${MACHINE}/${V}/initrd`]);
});
