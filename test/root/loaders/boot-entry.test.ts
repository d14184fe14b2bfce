// runner: tier=first seconds=50 needs=debian
import fs from "fs-extra";
import path from "node:path";
import { gzipSync } from "node:zlib";
import t, { type Test } from "tap";
import { makeCpio } from "../../../fixtures/boot-files.ts";
import { findDebianTar } from "../../../fixtures/cached-debian.ts";
import { run } from "../../../fixtures/run.ts";
import { optionsOf, readEntry } from "../../unit/stores/read-entry.ts";
import { conforms } from "../../conforms.ts";
import { attach, makeBootDisk, newLabel } from "../boot-disk.ts";
import { runInSystem, type PrivateSystem } from "../private-system.ts";

const disk = await makeBootDisk(t, "boot-entry");
const scratchOf = (name: string) => path.join(disk.scratch, name);

// A real kernel: its version stands in it, whatever its name.
const kernels = scratchOf("kernels");
fs.mkdirpSync(kernels);
await run([
  ...["tar", "--extract", "--file", await findDebianTar(), "--wildcards"],
  ...["--strip-components=2", "--directory", kernels, "./boot/vmlinuz-*"],
]);
const [vmlinuz = ""] = fs.readdirSync(kernels);
const version = vmlinuz.replace("vmlinuz-", "");

const root = `root=LABEL=${disk.label} rootflags=subvol=docker_rwlayer rw docker_path=docker`;
const withTopLayer = `${root} toplayer=LABEL=${disk.label} toplayer_path=boot_docker`;

await disk.look((top) => {
  const directory = `${top}/boot_docker`;
  fs.mkdirpSync(directory);
  fs.copySync(path.join(kernels, vmlinuz), `${directory}/vmlinuz-linux`);
  fs.writeFileSync(`${directory}/initramfs-linux.img`, "an initramfs");
});

interface Esp {
  /** Arguments of mount(8) that show it somewhere. */
  readonly at: (directory: string) => readonly string[];
  readonly read: (name: string) => string;
  readonly tree: string;
}

/**
 * An EFI system partition with these files; a kernel, too, where one is wanted there. Not every
 * kernel that runs this can mount FAT: a tmpfs that has the FAT's device for its source stands for it.
 */
async function makeEsp(
  t: Test,
  files: Readonly<Record<string, string>>,
  kernelDirectory?: string,
): Promise<Esp> {
  const label = newLabel();
  const file = scratchOf(label);
  await run(["mkfs.vfat", "-n", label.slice(-11), "-C", file, "1024"]);
  const device = await attach(t, file);
  const tree = `${file}-tree`;
  fs.mkdirpSync(tree);
  await run(["mount", "-t", "tmpfs", "--source", device, tree]);
  for (const [name, text] of Object.entries(files)) {
    fs.outputFileSync(path.join(tree, name), text);
  }
  if (kernelDirectory !== undefined) {
    const directory = path.join(tree, kernelDirectory);
    fs.copySync(path.join(kernels, vmlinuz), `${directory}/vmlinuz`);
    fs.writeFileSync(`${directory}/initrd.img`, "an initramfs");
    fs.writeFileSync(`${directory}/amd-ucode.img`, "microcode");
  }
  return {
    at: (directory) => ["--bind", tree, directory],
    read: (name) => fs.readFileSync(path.join(tree, name), "utf8"),
    tree,
  };
}

const system = (...mounts: (readonly string[])[]): PrivateSystem => ({
  etc: {},
  store: ["-o", "ro,subvol=docker", `LABEL=${disk.label}`],
  mounts,
});
const make = (given: PrivateSystem, ...args: string[]) =>
  runInSystem(scratchOf("system"), given, "boot-entry", ...args);

await t.test("the tutorial's entry, of what is found here", async (t) => {
  const before = await disk.traces();
  const { status, stdout, stderr } = make(system());
  t.equal(status, 0, stderr);
  t.equal(
    stdout,
    `menuentry "dockroot" {
    volume "${disk.label}"
    loader "\\boot_docker\\vmlinuz-linux"
    initrd "\\boot_docker\\initramfs-linux.img"
    options "${withTopLayer} quiet"
}
`,
  );
  t.match(stderr, /^dockroot: no boot loader was found, .* looked for /m);
  t.match(stderr, `, version ${version}\n`);
  t.match(stderr, "using boot_docker as the top layer (found on the disk;");
  t.strictSame(await disk.traces(), before, "nothing stays mounted");
  t.notOk(
    fs.existsSync("/run/dockroot") &&
      fs.readdirSync("/run/dockroot").join().includes("boot-entry"),
  );
});

await t.test("a directory that toplayer init made is named", (t) => {
  const given = system(["-o", "subvolid=5", `LABEL=${disk.label}`, "/mnt"]);
  const init = runInSystem(
    scratchOf("system"),
    given,
    ...["toplayer", "init", "/mnt/prepared", "--yes"],
  );
  t.equal(init.status, 0, init.stderr);
  const [call, inOptions] = init.stdout.trim().split("\n").slice(-2);
  t.equal(call, "  sudo dockroot boot-entry --toplayer /mnt/prepared");
  const { status, stdout, stderr } = make(
    given,
    ...["--toplayer", "/mnt/prepared"],
  );
  t.equal(status, 0, stderr);
  const named = `toplayer=LABEL=${disk.label} toplayer_path=/prepared`;
  t.match(inOptions, named);
  t.match(stdout, `options "${root} ${named} quiet"`);
  for (const [directory, why] of [
    ["/mnt/absent", "the top layer /mnt/absent is not a directory"],
    ["/proc", "/proc is on no disk that a boot could mount"],
  ] as const) {
    const refused = make(given, "--toplayer", directory);
    t.match(refused, { status: 1, stderr: `dockroot: ${why}` });
  }
  t.end();
});

await t.test("its data fits its documented schema", (t) => {
  const { status, stdout, stderr } = make(
    system(),
    ...["--json", "--image", "system:2", "--loader", "grub"],
  );
  t.equal(status, 0);
  t.equal(stderr, "");
  const report = JSON.parse(stdout) as Record<string, unknown>;
  conforms(t, "boot-entry", report);
  t.match(report, {
    ...{ loader: "grub", title: "dockroot: system:2", written: null },
    options: `${withTopLayer} docker_image=system:2 quiet`,
    kernel: { version, filesystem: { label: disk.label } },
    warnings: [/^the image system:2 has no modules for the kernel /],
  });
  t.end();
});

await t.test("GRUB: its own checker takes what is written", async (t) => {
  const odd = "it's; a {dir} $x";
  const rename = (from: string, to: string) =>
    disk.look((top) => fs.move(`${top}/${from}`, `${top}/${to}`));
  await rename("boot_docker", odd);
  t.teardown(() => rename(odd, "boot_docker"));
  const esp = await makeEsp(t, { "grub/grub.cfg": "source custom.cfg\n" });
  const given = system(esp.at("/boot"));
  const { status, stderr } = make(given, "--output");
  t.equal(status, 0, stderr);
  t.match(stderr, "dockroot: wrote the entry to /boot/grub/custom.cfg\n");
  t.notMatch(stderr, "warning");
  const text = esp.read("grub/custom.cfg");
  fs.writeFileSync(scratchOf("custom.cfg"), text);
  await run(["grub-script-check", scratchOf("custom.cfg")]);
  const read = readEntry("grub", text);
  t.equal(read.kernel, `/${odd}/vmlinuz-linux`);
  const uuid = await run(["blkid", "-s", "UUID", "-o", "value", disk.device]);
  t.match(text, `--set=root ${uuid}\n`);
  t.match(text, /^ {4}# toplayer=LABEL=\S+ toplayer_path=DIRECTORY$/m);
});

await t.test("rEFInd: its configuration keeps all but the entry", async (t) => {
  const former = "timeout 20\nscanfor internal\n";
  const esp = await makeEsp(t, {
    "EFI/refind/refind.conf": former,
    "EFI/refind/drivers_x64/ext4_x64.efi": "",
  });
  const given = system(esp.at("/boot"));
  const first = make(given, "--output");
  t.equal(first.status, 0, first.stderr);
  t.equal(first.stdout, "");
  t.match(
    first.stderr,
    "boot loader: rEFInd (found /boot/EFI/refind/refind.conf",
  );
  t.match(first.stderr, /warning: .* add manual to its line scanfor/);
  t.match(first.stderr, /warning: rEFInd has no driver for btrfs beside /);
  const text = esp.read("EFI/refind/refind.conf");
  t.ok(
    text.startsWith(
      `${former}\n# dockroot default: begin\nmenuentry "dockroot" {`,
    ),
  );
  t.match(text, `volume "${disk.label}"\n`);
  t.equal(make(given, "--output").status, 0);
  t.equal(esp.read("EFI/refind/refind.conf"), text, "once");
  t.equal(make(given, "--output", "--image", "system:1").status, 0);
  const other = esp.read("EFI/refind/refind.conf");
  t.ok(other.startsWith(former));
  t.equal(optionsOf(readEntry("refind", other)).docker_image, "system:1");
});

await t.test("systemd-boot: beside the kernel, on the ESP", async (t) => {
  const esp = await makeEsp(t, { "loader/loader.conf": "" }, "dockroot");
  const given = system(esp.at("/boot"));
  const { status, stderr } = make(given, "--output");
  t.equal(status, 0, stderr);
  const read = readEntry(
    "systemd-boot",
    esp.read("loader/entries/dockroot.conf"),
  );
  t.equal(read.kernel, "/dockroot/vmlinuz");
  t.strictSame(read.initrds, [
    "/dockroot/amd-ucode.img",
    "/dockroot/initrd.img",
  ]);
  t.equal(optionsOf(read).docker_path, "docker");
  t.match(make(given, "--output"), { status: 0 }, "again");
});

await t.test("a partition that systemd mounts on demand", async (t) => {
  const esp = await makeEsp(t, { "loader/loader.conf": "" }, "dockroot");
  const given = { ...system(), automounts: [["/boot", esp.tree]] as const };
  const { status, stdout, stderr } = make(given);
  t.equal(status, 0, stderr);
  t.equal(readEntry("systemd-boot", stdout).kernel, "/dockroot/vmlinuz");
});

await t.test("Limine: on its own partition", async (t) => {
  const esp = await makeEsp(t, { "limine.conf": "timeout: 5\n" }, "");
  const given = system(esp.at("/boot"));
  const { status, stderr } = make(given, "--output");
  t.equal(status, 0, stderr);
  const text = esp.read("limine.conf");
  t.ok(text.startsWith("timeout: 5\n"));
  const read = readEntry("limine", text);
  t.equal(read.kernel, "boot():/vmlinuz");
  t.strictSame(read.initrds, ["boot():/amd-ucode.img", "boot():/initrd.img"]);
});

await t.test("a system that dockroot started keeps its options", async (t) => {
  const cmdline = `BOOT_IMAGE=/x root=LABEL=${disk.label} rootflags=noatime,subvol=.dockroot/next/generations/2 ro docker_path=docker docker_image=system:1 toplayer=LABEL=esp console=tty0 console=ttyS0`;
  const started: PrivateSystem = { etc: {}, cmdline };
  const { status, stdout, stderr } = make(started);
  t.equal(status, 0, stderr);
  t.match(
    stdout,
    `options "root=LABEL=${disk.label} rootflags=noatime,subvol=next rw docker_path=docker docker_image=system:1 toplayer=LABEL=esp console=tty0 console=ttyS0"`,
  );
  t.match(stderr, "the kernel options are this boot's");
  // Its /boot is gone with it: what is written there would be, too.
  await disk.look((top) =>
    run(["btrfs", "subvolume", "create", `${top}/next`]),
  );
  await disk.look((top) => {
    fs.outputFileSync(`${top}/next/grub/grub.cfg`, "custom.cfg");
  });
  const inRoot = make(
    { ...started, mounts: [["-o", "subvol=next", disk.device, "/boot"]] },
    "--output",
  );
  t.match(inRoot, {
    status: 1,
    stderr: /custom.cfg is in the root of this boot/,
  });
});

await t.test("a rwlayer that another made is told of", async (t) => {
  await disk.look((top) => {
    fs.mkdirpSync(`${top}/docker_rwlayer`);
  });
  t.match(make(system()), {
    status: 0,
    stderr: /warning: docker_rwlayer exists on \S+, and dockroot did not/,
  });
  await disk.look((top) => {
    fs.outputFileSync(`${top}/.dockroot/docker_rwlayer/state.json`, "{}");
  });
  t.notMatch(make(system()).stderr, "docker_rwlayer exists");
});

await t.test("a file of somebody else's is left as it is", async (t) => {
  const file = scratchOf("entry.conf");
  const write = (loader: string) =>
    make(system(esp.at("/boot")), "--loader", loader, "--output", file);
  const esp = await makeEsp(t, {}, "dockroot");
  fs.writeFileSync(file, "title mine\n");
  t.match(write("systemd-boot"), {
    status: 1,
    stderr: /did not write \S+entry\.conf\n/,
  });
  fs.writeFileSync(file, "# dockroot: begin\nmine\n");
  t.match(write("refind"), {
    status: 1,
    stderr:
      /entry\.conf cannot be changed: its lines "# dockroot default: begin" and "# dockroot default: end" do not pair\n/,
  });
  t.equal(fs.readFileSync(file, "utf8"), "# dockroot: begin\nmine\n");
  fs.removeSync(file);
  t.match(write("refind"), { status: 0, stderr: /wrote the entry to .*\n$/ });
  t.match(
    fs.readFileSync(file, "utf8"),
    /^# dockroot default: begin\nmenuentry/,
  );
  t.match(make(system(), "--output", scratchOf("nowhere/entry")), {
    status: 1,
    stderr: /^dockroot: cannot write .*\n[^]*what to do: /m,
  });
});

await t.test("what cannot be kept as it is is not written", async (t) => {
  const former = Buffer.from("# caf\xe9\ntimeout 20\n", "latin1");
  const file = scratchOf("refind.conf");
  fs.writeFileSync(file, former);
  const given = system();
  t.match(make(given, "--output", file, "--loader", "refind"), {
    status: 1,
    stderr: /refind\.conf cannot be changed: it is not UTF-8 text\n/,
  });
  t.ok(fs.readFileSync(file).equals(former));
});

await t.test(
  "a full partition has the former file, and no other",
  async (t) => {
    const former = `# ${"x".repeat(12_000)}\n`;
    const esp = await makeEsp(t, { "EFI/refind/refind.conf": former });
    const { tree } = esp;
    const { blocks, bfree } = fs.statfsSync(tree);
    const size = `nr_blocks=${String(blocks - bfree + 1)}`;
    await run(["mount", "-o", `remount,${size}`, tree]);
    t.match(make(system(esp.at("/boot")), "--output"), {
      status: 1,
      stderr: /cannot write .*\n[^]*no space left.*\n[^]*The file is unchanged/,
    });
    t.equal(esp.read("EFI/refind/refind.conf"), former);
    t.strictSame(fs.readdirSync(`${tree}/EFI/refind`), ["refind.conf"]);
  },
);

await t.test("a menu that cannot be read is in nobody's way", async (t) => {
  const esp = await makeEsp(t, { "EFI/refind/refind.conf/x": "" });
  const { status, stderr } = make(system(esp.at("/boot")), "--loader", "grub");
  t.equal(status, 0, stderr);
  t.match(make(system(esp.at("/boot"))), {
    status: 0,
    stderr: /warning: .*refind\.conf is a directory, not a file\n/,
  });
});

await t.test("an initramfs that is cut short is told of", async (t) => {
  const whole = gzipSync(makeCpio({ "usr/bin/dockroot": "x".repeat(5000) }));
  const write = (name: string, content: Buffer) =>
    disk.look((top) => {
      fs.writeFileSync(`${top}/boot_docker/${name}`, content);
    });
  await write("initramfs-linux.img", whole);
  t.notMatch(make(system()).stderr, "cut short");
  for (const length of [0, 20, whole.length - 1]) {
    await write("initramfs-linux.img", whole.subarray(0, length));
    t.match(make(system()), {
      status: 0,
      stderr:
        /warning: the initramfs \/boot_docker\/initramfs-linux\.img on \S+ is cut short/,
    });
  }
  // One that is whole comes first, whatever else speaks for the other.
  await disk.look((top) => {
    const directory = `${top}/boot_docker`;
    fs.copySync(`${directory}/vmlinuz-linux`, `${directory}/vmlinuz`);
  });
  await write("initrd.img", whole);
  const { stdout, stderr } = make(system());
  t.match(stdout, 'loader "\\boot_docker\\vmlinuz"');
  t.notMatch(stderr, "cut short");
  await disk.look((top) => {
    for (const name of ["vmlinuz", "initrd.img"]) {
      fs.removeSync(`${top}/boot_docker/${name}`);
    }
  });
  await write("initramfs-linux.img", whole);
});

await t.test("rEFInd's UTF-16 configuration stays UTF-16", async (t) => {
  const former = "\ufefftimeout 20\r\n# café\r\n";
  for (const swap of [false, true]) {
    const encoded = Buffer.from(former, "utf16le");
    const file = scratchOf("utf16.conf");
    fs.writeFileSync(file, swap ? encoded.swap16() : encoded);
    const call = ["--loader", "refind", "--output", file];
    const { status, stderr } = make(system(), ...call);
    t.equal(status, 0, stderr);
    const bytes = fs.readFileSync(file);
    const text = (swap ? bytes.swap16() : bytes).toString("utf16le");
    t.ok(text.startsWith(`${former}\n# dockroot default: begin\nmenuentry`));
    t.ok(text.endsWith("# dockroot default: end\n"));
  }
});

await t.test("a kernel in the root of this boot is not enough", async (t) => {
  const put = (directory: string) => {
    fs.copySync(path.join(kernels, vmlinuz), `${directory}/${vmlinuz}`);
    fs.writeFileSync(`${directory}/initrd.img-${version}`, "an initramfs");
  };
  const layers = await disk.look((top) => {
    fs.moveSync(`${top}/boot_docker`, `${top}/.dockroot/hidden`);
    put(`${top}/next`);
    const subvolumes = `${top}/docker/btrfs/subvolumes`;
    return fs.readdirSync(subvolumes);
  });
  t.teardown(() =>
    disk.look((top) => {
      fs.moveSync(`${top}/.dockroot/hidden`, `${top}/boot_docker`);
      fs.removeSync(`${top}/next/${vmlinuz}`);
    }),
  );
  const started: PrivateSystem = {
    etc: {},
    cmdline: `root=LABEL=${disk.label} rootflags=subvol=next docker_path=docker docker_image=system:1`,
    mounts: [["-o", "subvol=next", disk.device, "/boot"]],
  };
  const bare = make(started);
  t.equal(bare.status, 1);
  t.match(
    bare.stderr,
    /no kernel with an initramfs was found in the top level of \S+ and its directories\n/,
  );
  t.match(
    bare.stderr,
    "because: /boot is in the root of this boot, which the next boot replaces",
  );
  t.match(bare.stderr, "run dockroot install in it. Copy both from the image:");
  await disk.look((top) => {
    for (const layer of layers) {
      put(`${top}/docker/btrfs/subvolumes/${layer}/boot`);
    }
  });
  const { stderr } = make(started);
  const [command = ""] = /(?<=Copy both from the image: ).*/.exec(stderr) ?? [];
  t.match(
    command,
    /^mount -o subvolid=5 \S+ \/mnt; mkdir -p \/mnt\/boot_docker;/,
  );
  const copied = scratchOf("copied");
  fs.mkdirpSync(copied);
  await run([
    ...["unshare", "--mount", "sh", "-ec"],
    `${command}; cp -r /mnt/boot_docker/. ${copied}; rm -r /mnt/boot_docker`,
  ]);
  t.strictSame(fs.readdirSync(copied), [`initrd.img-${version}`, vmlinuz]);
});

await t.test("a store on a filesystem on which no root is made", (t) => {
  const directory = scratchOf("store");
  fs.mkdirpSync(directory);
  const inMemory = { etc: {}, mounts: [["-t", "tmpfs", "tmpfs", directory]] };
  t.match(make(inMemory, "--store-path", directory), {
    status: 1,
    stderr:
      /is on tmpfs, and dockroot makes roots on btrfs, ext4, xfs\n[^]*what to do: Move the engine's directory /,
  });
  t.match(make({ etc: {} }, "--store-path", "/nowhere"), {
    status: 1,
    stderr: /what to do: Correct --store-path: /,
  });
  t.end();
});

await t.test("what cannot be found is told, and what to do", async (t) => {
  const check = (outcome: ReturnType<typeof make>, words: RegExp) => {
    t.equal(outcome.status, 1);
    t.equal(outcome.stdout, "");
    t.match(outcome.stderr, words);
    t.match(outcome.stderr, /^ {2}what to do: \w/m);
  };
  check(make({ etc: {} }), /there is no image in \/var\/lib\/docker, /);
  check(make(system(), "--docker", "/nowhere"), /there is no image store/);
  check(make(system(), "--loader", "limine"), /Limine cannot read any of/);
  check(
    make(system(), "--loader", "refind", "--output"),
    /no configuration of rEFInd was found/,
  );
  check(make(system(), "--image", "gone"), /the image gone/);
  const rename = (from: string, to: string) =>
    disk.look((top) => fs.move(`${top}/boot_docker/${from}`, `${top}/${to}`));
  await rename("initramfs-linux.img", "moved");
  check(
    make(system()),
    /no kernel with an initramfs was found in [^]*no initramfs beside .*\/vmlinuz-linux on /,
  );
  await rename("vmlinuz-linux", "other");
  check(
    make(system()),
    /no kernel with an initramfs was found in the top level of [^]*: dockroot install|run dockroot install/,
  );
});
