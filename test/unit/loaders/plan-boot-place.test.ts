import t from "tap";
import { parseGrubStub } from "../../../installer/loaders/formats/grub.ts";
import {
  planBootPlace,
  roleOf,
  type BootPlaceFacts,
  type FoundMenu,
  type Volume,
} from "../../../installer/loaders/plan/plan-boot-place.ts";
import type { Filesystem } from "../../../installer/system/filesystem.ts";

const UUID = "954cad94-794d-497c-90fd-6ef4419365a8";

const ESP = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";

const XBOOTLDR = "bc13c2ff-59e6-4262-a352-b275fd6f7172";

const fat = (number: number, type: string, disk = "/dev/sda"): Filesystem => ({
  ...{ device: `${disk}${String(number)}`, type: "vfat" },
  ...{ uuid: `0000-000${String(number)}`, label: undefined },
  ...{ isLabelUnique: false, isMapped: false },
  partition: { uuid: UUID, type, isGpt: true, number, disk },
});

const onVolume = (filesystem: Filesystem, isForeign = false): Volume => ({
  ...{ filesystem, mountPoint: undefined, isForeign },
  role: roleOf(filesystem),
});

const esp = onVolume(fat(1, ESP));

const xbootldr = onVolume(fat(2, XBOOTLDR));

const otherDisks = onVolume(fat(3, XBOOTLDR, "/dev/sdb"));

const ofStore = (others: Partial<Filesystem> = {}): Volume => ({
  ...{ mountPoint: undefined, role: "store", isForeign: false },
  filesystem: {
    ...{ device: "/dev/sda4", type: "btrfs", uuid: UUID, label: "linux" },
    ...{ isLabelUnique: true, isMapped: false, partition: undefined },
    ...others,
  },
});

const menu = (
  loader: FoundMenu["loader"],
  others: Partial<FoundMenu> = {},
): FoundMenu => ({
  ...{ loader, volume: esp, config: `${loader}.conf`, isForeign: false },
  ...{ options: [], drivers: ["btrfs"], ...others },
});

const plan = (facts: Partial<BootPlaceFacts>) =>
  planBootPlace({
    ...{ given: undefined, volumes: [esp], menus: [], store: ofStore() },
    ...{ isDefaultTop: true, loaderInfo: undefined, cmdline: "quiet" },
    ...facts,
  });

t.test("what a partition is for", (t) => {
  t.equal(roleOf(fat(1, ESP)), "esp");
  t.equal(roleOf(fat(1, ESP.toUpperCase())), "esp");
  t.equal(roleOf(fat(1, XBOOTLDR)), "xbootldr");
  t.equal(roleOf(fat(1, "0xef")), "esp");
  t.equal(roleOf(fat(1, "0xc")), "other");
  t.equal(roleOf({ ...fat(1, ""), partition: undefined }), "esp");
  t.end();
});

t.test("boot files go where their boot loader reads them", (t) => {
  const mapped = ofStore({ isMapped: true });
  const volumes = [esp, otherDisks, xbootldr];
  const nameless = ofStore({ isLabelUnique: false });
  const xfs = ofStore({ type: "xfs" });
  const ext4ForRefind = {
    menus: [menu("refind", { drivers: ["ext4"] })],
    store: ofStore({ type: "ext4" }),
  };
  const onMapped = { menus: [menu("grub", { volume: mapped })], store: mapped };
  for (const [facts, files] of [
    [{ menus: [menu("systemd-boot")], volumes }, xbootldr],
    [{ menus: [menu("systemd-boot")], volumes: [esp, otherDisks] }, esp],
    [{ menus: [menu("limine")], volumes }, esp],
    [{ menus: [menu("grub")] }, "store"],
    [{ menus: [menu("grub")], store: mapped }, esp],
    [onMapped, mapped],
    [{ menus: [menu("refind")] }, "store"],
    [{ menus: [menu("refind")], store: mapped }, esp],
    [{ menus: [menu("refind")], store: nameless }, esp],
    [{ menus: [menu("refind")], isDefaultTop: false }, esp],
    [{ menus: [menu("grub")], store: ofStore({ type: "ext4" }) }, "store"],
    [{ menus: [menu("grub")], store: xfs }, esp],
    [{ menus: [menu("grub", { volume: xfs })], store: xfs }, "store"],
    [{ menus: [menu("refind", { drivers: ["ext4"] })] }, esp],
    [ext4ForRefind, "store"],
    [{ given: "efistub", volumes: [xbootldr, esp] }, esp],
  ] satisfies [Partial<BootPlaceFacts>, Volume | "store"][]) {
    const found = plan(facts)?.files;
    if (files === "store") t.equal(found?.role, "store");
    else t.equal(found, files);
  }
  const ext4 = { ...esp, filesystem: { ...esp.filesystem, type: "ext4" } };
  t.throws(() => plan({ menus: [menu("limine", { volume: ext4 })] }), {
    code: "ENTRY_UNSUITABLE",
    message: /Limine reads only FAT/,
  });
  t.throws(() => plan({ given: "efistub", volumes: [xbootldr] }), {
    message: /there is no EFI system partition/,
  });
  t.end();
});

t.test("the boot loader that is used gets the entries", (t) => {
  const entry = "root=LABEL=x quiet";
  const menus = [
    menu("grub", { options: ["a", `${entry}`] }),
    menu("refind", { isForeign: true }),
    menu("systemd-boot"),
  ];
  const choose = (facts: Partial<BootPlaceFacts>) =>
    plan({ menus, ...facts })?.loader;
  t.equal(choose({}), "systemd-boot", "another disk's comes last");
  t.equal(choose({ given: "refind" }), "refind");
  t.equal(choose({ given: "limine" }), undefined);
  const cmdline = `BOOT_IMAGE=(hd0,gpt2)/x ${entry} initrd=\\a`;
  t.equal(choose({ cmdline }), "grub");
  t.equal(
    choose({ cmdline, loaderInfo: "systemd-boot 257.4-1" }),
    "systemd-boot",
  );
  t.equal(choose({ loaderInfo: "GRUB 2.12" }), "grub");
  t.equal(choose({ loaderInfo: "an unknown one" }), "systemd-boot");
  t.equal(plan({}), undefined);
  t.end();
});

// As the packages of Debian 12, Fedora 40 and openSUSE make them.
t.test("a GRUB that only says where its configuration is", (t) => {
  for (const text of [
    `search.fs_uuid ${UUID} root hd0,gpt2 \nset prefix=($root)'/@/boot/grub'\nconfigfile $prefix/grub.cfg\n`,
    `search --no-floppy --root-dev-only --fs-uuid --set=dev ${UUID}\nset prefix=($dev)/@/boot/grub\nexport $prefix\nconfigfile $prefix/grub.cfg\n`,
    `search --fs-uuid --set=root ${UUID}\nset prefix=(\${root})/@/boot/grub\nsource "\${prefix}/grub.cfg"\n`,
  ]) {
    t.strictSame(parseGrubStub(text), {
      uuid: UUID,
      directory: "/@/boot/grub",
    });
  }
  t.match(
    parseGrubStub("search.fs_uuid AB12-CD34 root\nset prefix=($root)/grub"),
    {
      uuid: "AB12-CD34",
    },
  );
  t.equal(parseGrubStub(`search --fs-uuid --set=root ${UUID}\n`), undefined);
  t.strictSame(parseGrubStub("set prefix=($root)/x\n"), {
    ...{ uuid: undefined, directory: "/x" },
  });
  t.end();
});
