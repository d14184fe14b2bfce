import t from "tap";
import { checkGrubConfig } from "../../../installer/loaders/formats/grub.ts";
import { checkRefindConfig } from "../../../installer/loaders/formats/refind.ts";
import {
  type NewEntryFacts,
  type FoundKernel,
  type FoundLoader,
  planEntry,
} from "../../../installer/loaders/plan/plan-entry.ts";
import { topLayerOptions } from "../../../installer/loaders/plan/plan-options.ts";
import {
  LOADERS,
  type LoaderName,
} from "../../../installer/loaders/formats/boot-loader.ts";
import {
  findBlock,
  putBlock,
} from "../../../installer/loaders/formats/blocks.ts";
import {
  findMicrocode,
  pairKernels,
} from "../../../installer/system/formats/kernel-files.ts";
import {
  parseBlkidProbe,
  type Filesystem,
} from "../../../installer/system/filesystem.ts";
import { parseCmdline } from "../../../runtime/options/cmdline.ts";
import { optionsOf, readEntry } from "../stores/read-entry.ts";

const UUID = "954cad94-794d-497c-90fd-6ef4419365a8";

const GUID = "0f8a1c0e-4f5b-4f4e-9c1d-2b7f5d1a9e10";

const btrfs: Filesystem = {
  ...{ device: "/dev/sda2", type: "btrfs", uuid: UUID, label: "linux" },
  ...{ isLabelUnique: true, isMapped: false },
  partition: {
    uuid: GUID,
    isGpt: true,
    type: undefined,
    number: 2,
    disk: "/dev/sda",
  },
};

const esp: Filesystem = {
  ...{ device: "/dev/sda1", type: "vfat", uuid: "ABCD-1234", label: "ESP" },
  ...{ isLabelUnique: true, isMapped: false },
  partition: {
    uuid: GUID,
    isGpt: true,
    type: undefined,
    number: 1,
    disk: "/dev/sda",
  },
};

const kernel: FoundKernel = {
  ...{ filesystem: btrfs, mountPoint: undefined, directory: "boot_docker" },
  ...{ kernel: "vmlinuz-linux", initramfs: "initramfs-linux.img" },
  ...{ microcode: [], version: "6.1.0" },
  ...{ hasModules: true, isSystems: false, isCutShort: false },
};

const onEsp: FoundKernel = { ...kernel, filesystem: esp, mountPoint: "/efi" };

const facts: NewEntryFacts = {
  ...{ store: btrfs, hasDefaultSubvolume: false, storePath: "docker" },
  ...{ storeHome: "docker" as const, storeKind: undefined, isOverlay: false },
  isRwlayerForeign: false,
  ...{ cmdline: [], bootedRwlayer: undefined },
  ...{ topLayerDirectory: "boot_docker", topLayer: undefined },
  image: undefined,
  ...{ kernels: [kernel], bareKernels: [], loaders: [], searched: ["/boot"] },
  imageFiles: [],
  espMountPoint: undefined,
  replaced: [],
};

const plan = (given: Partial<NewEntryFacts>, loader: LoaderName) =>
  planEntry({ ...facts, ...given }, loader);

const make = (given: Partial<NewEntryFacts>, name: LoaderName) => {
  const { loader, entry } = plan(given, name);
  return loader.format(entry);
};

t.test("the tutorial's entry for rEFInd", (t) => {
  t.equal(
    make({}, "refind"),
    `menuentry "dockroot" {
    volume "linux"
    loader "\\boot_docker\\vmlinuz-linux"
    initrd "\\boot_docker\\initramfs-linux.img"
    options "root=LABEL=linux rootflags=subvol=docker_rwlayer rw docker_path=docker toplayer=LABEL=linux toplayer_path=boot_docker"
}
`,
  );
  t.end();
});

t.test("every loader reads what was meant", (t) => {
  const odd = {
    storePath: "my docker/it's $1 & #2",
    cmdline: parseCmdline('quiet dyndbg="file a.c +p" console=tty0 console=S0'),
    image: "sample_image:latest",
  };
  const microcode = ["intel-ucode.img", "amd-ucode.img"];
  const cases: readonly (readonly [LoaderName, FoundKernel, string])[] = [
    ["refind", kernel, 'volume "linux"\n'],
    [
      "grub",
      kernel,
      `relative_path=n\n    search --no-floppy --fs-uuid --set=root ${UUID}\n`,
    ],
    ["systemd-boot", onEsp, ""],
    ["limine", onEsp, ""],
    ["efistub", onEsp, "--disk /dev/sda --part 1 "],
  ];
  for (const [loader, on, volume] of cases) {
    const storePath =
      loader === "grub" ? odd.storePath.replace("'", "") : odd.storePath;
    const text = make(
      { ...odd, storePath, kernels: [{ ...on, microcode }] },
      loader,
    );
    const read = readEntry(loader, text);
    const prefix = loader === "limine" ? `guid(${GUID}):` : "";
    t.equal(read.kernel, `${prefix}/boot_docker/vmlinuz-linux`, loader);
    t.strictSame(
      read.initrds,
      [...microcode, "initramfs-linux.img"].map(
        (name) => `${prefix}/boot_docker/${name}`,
      ),
      loader,
    );
    t.match(read.title, /^dockroot: sample_image:latest/, loader);
    t.ok(text.includes(volume), loader);
    t.strictSame(
      optionsOf(read),
      {
        ...{ root: "LABEL=linux", rootflags: "subvol=docker_rwlayer" },
        ...{ rw: undefined, docker_path: storePath },
        ...{ toplayer: "LABEL=linux", toplayer_path: "boot_docker" },
        ...{ docker_image: "sample_image:latest", quiet: undefined },
        ...{ dyndbg: "file a.c +p", console: "S0" },
      },
      loader,
    );
    t.strictSame(
      read.options.filter(({ key }) => key === "console"),
      parseCmdline("console=tty0 console=S0"),
      loader,
    );
  }
  t.end();
});

t.test("paths with blanks and signs are read back, or refused", (t) => {
  const names = [
    "a b",
    "it's",
    'a"b',
    "a$b",
    "a#b",
    "a\\b",
    "${x}",
    "é",
    "a=b,c",
  ];
  for (const loader of LOADERS) {
    for (const name of names) {
      const on = { ...onEsp, directory: `boot/${name}` };
      let text: string;
      try {
        text = make({ kernels: [on] }, loader);
      } catch (error) {
        t.match(error, { code: "ENTRY_UNSUITABLE", hint: /\w/ });
        continue;
      }
      const { kernel: path, initrds } = readEntry(loader, text);
      const end = (file: string | undefined) =>
        file?.replace(/^guid\(.*?\):/, "");
      t.equal(end(path), `/boot/${name}/vmlinuz-linux`, loader);
      t.equal(end(initrds[0]), `/boot/${name}/initramfs-linux.img`, loader);
    }
  }
  t.end();
});

t.test("without a top layer the entry says how to have one", (t) => {
  for (const loader of ["refind", "grub"] as const) {
    const text = make({ topLayerDirectory: undefined }, loader);
    t.match(text, /^ +# There is no top layer\./m);
    t.match(text, /^ +# toplayer=LABEL=linux toplayer_path=DIRECTORY$/m);
    t.notOk("toplayer" in optionsOf(readEntry(loader, text)));
  }
  t.end();
});

t.test("the top layer that is asked for is the only one", (t) => {
  const topLayer = topLayerOptions("UUID=1", "/my files/top layer");
  const cmdline = parseCmdline(
    "root=LABEL=linux rootflags=subvol=next toplayer=LABEL=esp toplayerfstype=vfat toplayer_path=old",
  );
  for (const given of [{}, { cmdline, bootedRwlayer: "next" }]) {
    const { entry, notes } = plan({ ...given, topLayer }, "refind");
    const options = parseCmdline(entry.options);
    t.strictSame(
      options.filter(({ key }) => key.startsWith("toplayer")),
      topLayer,
    );
    t.notMatch(notes.join(), "found on the disk");
  }
  for (const path of ["two:layers", 'a"b', "a\nb", "a\u001b[2J", "\ufffd"]) {
    t.throws(() => topLayerOptions("UUID=1", path), {
      code: "TOPLAYER_UNSUITABLE",
    });
  }
  t.end();
});

t.test("a label that an initramfs would cut is not used", (t) => {
  for (const [label, isLabelUnique, root] of [
    ["linux", true, "LABEL=linux"],
    ["linux", false, `UUID=${UUID}`],
    ["my disk", true, `UUID=${UUID}`],
    ['a"b', true, `UUID=${UUID}`],
    [undefined, false, `UUID=${UUID}`],
  ] as const) {
    const store = { ...btrfs, label, isLabelUnique };
    const on = { ...kernel, filesystem: store };
    const text = make({ store, kernels: [on] }, "refind");
    const read = readEntry("refind", text);
    t.equal(optionsOf(read).root, root);
    const volume = isLabelUnique ? label.replace('"', '""') : GUID;
    t.match(text, `volume "${volume}"\n`);
  }
  const nameless = { ...btrfs, label: undefined, partition: undefined };
  t.throws(
    () => make({ kernels: [{ ...kernel, filesystem: nameless }] }, "refind"),
    { code: "ENTRY_UNSUITABLE", hint: /btrfs filesystem label/ },
  );
  t.end();
});

t.test("a machine that dockroot started keeps its options", (t) => {
  const cmdline = parseCmdline(
    "BOOT_IMAGE=/vmlinuz root=UUID=1 rootflags=noatime,subvol=.dockroot/next/generations/3 ro quiet docker_path=d docker_image=a docker_tag=b toplayer=LABEL=esp toplayerfstype=vfat toplayer_path=one:two single console=tty0 console=ttyS0",
  );
  const started = { cmdline, bootedRwlayer: "next" };
  const options = (image?: string) =>
    /options "(.*)"/.exec(make({ ...started, image }, "refind"))?.[1];
  t.equal(
    options(),
    "root=UUID=1 rootflags=noatime,subvol=next rw quiet docker_path=d docker_image=a docker_tag=b toplayer=LABEL=esp toplayerfstype=vfat toplayer_path=one:two console=tty0 console=ttyS0",
  );
  t.match(options("c:d"), /^(?!.*docker_tag).* docker_image=c:d$/);
  t.match(options("5c60"), / docker_image=5c60 docker_tag=latest$/);
  t.match(options("sha256:5c60"), /^(?!.*docker_tag).*=sha256:5c60$/);
  const other = parseCmdline(
    "root=UUID=1 rootflags=subvol=next store_path=p dockroot.store=containerd",
  );
  t.match(
    make({ ...started, cmdline: other, storeKind: "podman" }, "refind"),
    / rw store_path=p dockroot\.store=podman"/,
  );
  t.end();
});

t.test("a directory that is not Docker's has the other option", (t) => {
  const cmdline = parseCmdline("store_path=former dockroot.store=podman quiet");
  const store = {
    ...{ storePath: "containerd", storeHome: "containerd" as const },
    ...{ storeKind: "containerd" as const, cmdline },
  };
  t.match(
    make(store, "refind"),
    / rw store_path=containerd dockroot\.store=containerd toplayer=\S+ toplayer_path=\S+ quiet"/,
  );
  t.end();
});

t.test("of several kernels the one that fits is taken", (t) => {
  const choose = (...kernels: Partial<FoundKernel>[]) =>
    plan({ kernels: kernels.map((other) => ({ ...kernel, ...other })) }, "grub")
      .entry;
  t.match(choose({ version: "6.9.1" }, { version: "6.12.0" }), {
    version: "6.12.0",
  });
  t.match(choose({ version: "6.12.0", hasModules: false }, {}), {
    version: "6.1.0",
  });
  t.match(choose({ version: "6.12.0", isSystems: true }, {}), {
    version: "6.1.0",
  });
  // Fedora's first kernel is there twice.
  const rescue = `vmlinuz-0-rescue-${"0".repeat(32)}`;
  t.match(choose({ kernel: rescue }, { kernel: "vmlinuz-6.1.0" }), {
    kernel: "/boot_docker/vmlinuz-6.1.0",
  });
  const { warnings } = plan(
    {
      kernels: [{ ...kernel, hasModules: false, isSystems: true }],
      isRwlayerForeign: true,
    },
    "grub",
  );
  t.match(warnings, [
    /^docker_rwlayer exists on .*, and dockroot did not make it/,
    /no modules for the kernel 6\.1\.0/,
    /running system's own/,
  ]);
  t.end();
});

t.test("what a loader cannot read is no entry", (t) => {
  const mapped = { ...btrfs, isMapped: true };
  for (const [loader, found, cause] of [
    ["systemd-boot", kernel, /reads only FAT/],
    ["limine", kernel, /reads only FAT/],
    ["efistub", kernel, /reads only FAT/],
    ["refind", { ...kernel, filesystem: mapped }, /LUKS/],
    ["refind", { ...kernel, filesystem: { ...btrfs, type: "xfs" } }, /xfs/],
    [
      "efistub",
      { ...onEsp, filesystem: { ...esp, partition: undefined } },
      /not on a partition/,
    ],
  ] as const) {
    t.throws(() => plan({ kernels: [found] }, loader), {
      ...{ code: "KERNEL_MISSING", hint: /\w/, cause: { message: cause } },
    });
  }
  t.throws(() => plan({ kernels: [], bareKernels: ["/a"] }, "grub"), {
    message: "no kernel with an initramfs was found in /boot",
    cause: { message: "there is no initramfs beside /a" },
    hint: /^The image needs an initramfs: .* cp \/mnt\/IMAGE\/boot\/vmlinuz /,
  });
  t.throws(() => plan({ storePath: "docker_rwlayer/var/lib" }, "grub"), {
    message: /every boot makes anew/,
  });
  t.end();
});

t.test("what is guessed and what may go wrong is told", (t) => {
  const refind: FoundLoader = {
    ...{ name: "refind", file: "/efi/EFI/refind/refind.conf" },
    ...{ filesystemUuid: esp.uuid, warnings: ["w"], drivers: ["ext4"] },
  };
  const grub: FoundLoader = {
    ...{ name: "grub", file: "/boot/grub/grub.cfg" },
    ...{ filesystemUuid: UUID, warnings: [], drivers: [] },
  };
  const { loader, target, notes, warnings } = planEntry(
    { ...facts, loaders: [refind, grub], hasDefaultSubvolume: true },
    undefined,
  );
  t.equal(loader.name, "refind");
  t.equal(target, refind.file);
  t.match(notes, [
    /^boot loader: rEFInd \(found \/efi\/.*; also found \/boot\/grub\/grub.cfg/,
    /^kernel: \/boot_docker\/vmlinuz-linux on \/dev\/sda2/,
    /^using boot_docker as the top layer/,
  ]);
  t.match(warnings, ["w", /no driver for btrfs/, /default subvolume/]);
  const none = planEntry(facts, undefined);
  t.match(none.notes, [
    /^no boot loader was found.*looked for EFI\/refind\/refind\.conf, /,
  ]);
  t.equal(none.target, undefined);
  t.equal(plan({ loaders: [grub] }, "grub").target, "/boot/grub/custom.cfg");
  t.equal(
    plan({ kernels: [onEsp] }, "systemd-boot").target,
    "/efi/loader/entries/dockroot.conf",
  );
  t.end();
});

t.test("a loader that would not show the entry is told of", (t) => {
  t.strictSame(checkRefindConfig("f", "#scanfor internal\ntimeout 20\n"), []);
  t.strictSame(checkRefindConfig("f", "scanfor internal,manual\n"), []);
  t.match(checkRefindConfig("f", "scanfor internal,external\n"), [/manual/]);
  t.strictSame(
    checkGrubConfig("f", "source ${config_directory}/custom.cfg"),
    [],
  );
  t.match(checkGrubConfig("f", "menuentry"), [/41_custom/]);
  t.end();
});

t.test("only dockroot's own block of a file changes", (t) => {
  const block = (text: string, key = "main") =>
    `# dockroot ${key}: begin\n${text}# dockroot ${key}: end\n`;
  const put = (file: string, text: string) => putBlock(file, "main", text);
  t.equal(put("", "a\n"), block("a\n"));
  t.equal(put("x\r\ny", "a\n"), `x\r\ny\n\n${block("a\n")}`);
  const whole = `x\n\n${block("a\n")}\ny`;
  t.equal(
    put(whole, "$1 $& b\n"),
    whole.replace("a\n", () => "$1 $& b\n"),
  );
  t.equal(put(put("x\n", "a\n") ?? "", "a\n"), put("x\n", "a\n"));
  const former = "x\n\n# dockroot: begin\na\n# dockroot: end\n\ny";
  const putDefault = (file: string) => putBlock(file, "default", "b\n");
  t.equal(putDefault(former), `x\n\n${block("b\n", "default")}\ny`);
  t.equal(put(former, "b\n"), `${former}\n\n${block("b\n")}`, "of another");
  t.equal(putBlock(whole, "main", "b\n", true), `${block("b\n")}x\n\n\ny`);
  t.equal(findBlock(whole, "main"), "a\n");
  t.equal(findBlock(whole, "other"), undefined);
  const beside = `${block("o\n", "other")}\n${block("p\n", "main-2")}`;
  t.equal(put(beside, "a\n"), `${beside}\n${block("a\n")}`, "side by side");
  t.equal(put(beside + block("a\n"), "b\n"), beside + block("b\n"));
  for (const [key, begin] of [
    ["default", "# dockroot: begin\n"],
    ["main", "# dockroot main: begin\n"],
  ] as const) {
    const end = begin.replace("begin", "end");
    for (const damaged of [
      `${begin}x\n`,
      `x\n${end}`,
      block("a\n", key) + begin + end,
      begin + end + block("b\n", key),
      block("a\n", key) + begin,
      begin + block("o\n", "other") + end,
    ]) {
      t.equal(putBlock(damaged, key, "c\n"), undefined, damaged);
    }
  }
  t.equal(
    putDefault("# dockroot: begin\n# dockroot default: end\n"),
    undefined,
  );
  t.end();
});

t.test("a kernel and its initramfs are found by their names", (t) => {
  const names = [
    ...["vmlinuz", "initrd.img", "vmlinuz-linux", "initramfs-linux.img"],
    ...["initramfs-linux-fallback.img", "vmlinuz-6.1.0-9-amd64"],
    ...["initrd.img-6.1.0-9-amd64", "vmlinuz-6.9", "initramfs-6.9.img"],
    ...["vmlinuz-bare", "linux", "System.map-6.9", "intel-ucode.img"],
  ];
  t.strictSame(
    pairKernels(names).map(({ kernel, initramfs, version }) => [
      kernel,
      initramfs,
      version,
    ]),
    [
      ["vmlinuz", "initrd.img", undefined],
      ["vmlinuz-linux", "initramfs-linux.img", undefined],
      ["vmlinuz-6.1.0-9-amd64", "initrd.img-6.1.0-9-amd64", "6.1.0-9-amd64"],
      ["vmlinuz-6.9", "initramfs-6.9.img", "6.9"],
      ["vmlinuz-bare", undefined, undefined],
      ["linux", "initrd.img", undefined],
    ],
  );
  t.strictSame(pairKernels(["linux"]), []);
  t.strictSame(findMicrocode(names), ["intel-ucode.img"]);
  t.end();
});

// blkid -p -o udev, util-linux 2.38.1, of a btrfs on a loop device; then the lines that blkid(8) and
// libblkid's source say of a partition.
t.test("what blkid tells of a filesystem and its partition", (t) => {
  const text = `ID_FS_LABEL=my_disk
ID_FS_LABEL_ENC=my\\x20disk
ID_FS_UUID=${UUID}
ID_FS_UUID_ENC=${UUID}
ID_FS_TYPE=btrfs
ID_FS_USAGE=filesystem
`;
  const whole = { type: "btrfs", uuid: UUID, label: "my disk" };
  t.strictSame(parseBlkidProbe(text), { ...whole, partition: undefined });
  const partition = `ID_PART_ENTRY_SCHEME=gpt
ID_PART_ENTRY_UUID=${GUID}
ID_PART_ENTRY_NUMBER=2
ID_PART_ENTRY_DISK=8:0
`;
  t.strictSame(parseBlkidProbe(text + partition), {
    ...whole,
    partition: {
      uuid: GUID,
      isGpt: true,
      type: undefined,
      number: 2,
      disk: "8:0",
    },
  });
  t.equal(parseBlkidProbe("ID_FS_LABEL_ENC=gr\\xc3\\xbcn").label, "grün");
  t.equal(parseBlkidProbe("ID_FS_LABEL_ENC=grün").label, "grün");
  t.strictSame(parseBlkidProbe("").type, "");
  t.end();
});

t.test("nothing of the old root or of one boot comes into the entry", (t) => {
  const cmdline = parseCmdline(
    'BOOT_IMAGE=/v root=UUID=1 rootflags=subvol=@ ro mount.usr=/dev/vg/usr mount.usrflags=ro ostree=/o systemd.volatile=overlay roothash=a overlayroot=tmpfs rd.live.image systemd.run=/bin/x -b S init=/x cryptdevice=UUID=2:root resume_offset=5 console=tty1 dyndbg="file a +p" quiet',
  );
  t.strictSame(optionsOf(readEntry("refind", make({ cmdline }, "refind"))), {
    root: "LABEL=linux",
    rootflags: "subvol=docker_rwlayer",
    rw: undefined,
    docker_path: "docker",
    toplayer: "LABEL=linux",
    toplayer_path: "boot_docker",
    cryptdevice: "UUID=2:root",
    resume_offset: "5",
    console: "tty1",
    dyndbg: "file a +p",
    quiet: undefined,
  });
  t.end();
});
