// runner: tier=first seconds=12
import { spawnSync } from "node:child_process";
import fs from "fs-extra";
import path from "node:path";
import t from "tap";
import { makeKernel } from "../../../fixtures/boot-files.ts";
import { run } from "../../../fixtures/run.ts";
import type { DoctorReport } from "../../../installer/doctor/rules/report.ts";
import { helperNames } from "../../../installer/install/helpers.ts";
import { executable } from "../../binary/run-dockroot.ts";
import { conforms } from "../../conforms.ts";
import {
  findingsOf,
  INITRAMFS,
  KERNEL,
  makeDoctorSystem,
  packInitramfs,
  refindConf,
} from "./doctor-system.ts";

const { disk, withBoot, examine, tell, options } = await makeDoctorSystem(t);
const device = `LABEL=${disk.label}`;
const ENTRY = 'the entry "docker" of /boot/EFI/refind/refind.conf';

/** The disk is small for what is pulled next. */
const withoutSpace = (findings: readonly string[]) =>
  findings.filter((text) => !text.startsWith("space: "));

await t.test("a machine on which nothing is wrong", async (t) => {
  const system = withBoot();
  const before = await disk.traces();
  const { status, report } = examine(t, system);
  t.strictSame(findingsOf(report, "stops"), []);
  t.strictSame(withoutSpace(findingsOf(report, "warning")), []);
  t.strictSame(findingsOf(report, "unknown"), []);
  t.equal(status, 0);
  t.ok(report.isRunningSystem);
  t.strictSame(report.starts, [
    {
      names: ["the kernel options of this boot", ENTRY],
      image: {
        ...{ reference: "system:1", id: disk.ids["system:1"] },
        store: "graphdriver",
      },
    },
  ]);
  t.strictSame(await disk.traces(), before, "nothing stays mounted");
  const text = tell(system);
  t.match(
    text,
    /^ok +kernel +the entry "docker" .* is 6\.1\.0-9-test, and the image /m,
  );
  t.match(text, /^ok +initramfs +.*: dockroot is in \/boot\/initrd\.img$/m);
  t.match(text, /^ok +logins +the image system:1: root can log in$/m);
  t.match(
    text,
    /\n\nno problem was found that would stop a boot, 1 warning\n$/,
  );
});

await t.test("what is wrong with an entry would stop it", (t) => {
  const withoutDockroot = { ...INITRAMFS, "usr/bin/dockroot": undefined };
  for (const [what, change, expected] of [
    [
      "an image that is not there",
      refindConf(`${options} docker_image=sytem:1`),
      /^image: .*sytem:1 is not in the store docker: .* nearest names are: system:1/,
    ],
    [
      "another disk",
      refindConf(options.replace(`root=${device}`, "root=LABEL=nothing")),
      /^disk: .*there is no LABEL=nothing/,
    ],
    [
      "another directory of the store",
      refindConf(options.replace("docker_path=docker", "docker_path=dokcer")),
      /^engine: .*there is no image store at dokcer/,
    ],
    [
      "no directory of the store",
      refindConf(options.replace(/docker_path=\S+/, "")),
      /^options: .*docker_path= is given neither on /,
    ],
    [
      "no rwlayer",
      refindConf(options.replace("subvol=docker_rwlayer", "noatime")),
      /^options: .*rootflags= has no subvol=NAME/,
    ],
    [
      "two tags",
      refindConf(`${options} docker_image=system:1 docker_tag=2`),
      /^options: .*two tags are given/,
    ],
    [
      "a top layer that is not there",
      refindConf(options.replace("boot_docker", "boot_dokcer")),
      /^top-layer: .*boot_dokcer does not exist/,
    ],
    [
      "an image without an init",
      refindConf(`${options} docker_image=bare:1`),
      /^init: the image bare:1 has no init/,
    ],
    [
      "an image without a kernel",
      refindConf(`${options} docker_image=bare:1`),
      /^kernel: the image bare:1 has no kernel modules/,
    ],
    [
      "no initramfs",
      refindConf(options, ""),
      /^initramfs: the entry "docker" .* names no initramfs/,
    ],
    [
      "an initramfs without dockroot",
      {
        "initrd.img": packInitramfs(
          JSON.parse(JSON.stringify(withoutDockroot)) as typeof INITRAMFS,
        ),
      },
      /^initramfs: .*dockroot is not in \/boot\/initrd\.img/,
    ],
    [
      "an initramfs that the end is missing of",
      { "initrd.img": packInitramfs(INITRAMFS).subarray(0, -20) },
      /^initramfs: .*: \/boot\/initrd\.img is cut short/,
    ],
    [
      "a kernel of which there is the beginning alone",
      {
        vmlinuz: makeKernel(KERNEL).subarray(0, 0x20f),
        "initrd.img": packInitramfs({ init: "" }),
      },
      /^initramfs: .*dockroot is not in \/boot\/initrd\.img/,
    ],
    [
      "an initramfs for another kernel",
      {
        "initrd.img": packInitramfs(
          Object.fromEntries(
            Object.entries(INITRAMFS).map(([name, text]) => [
              name.replace(KERNEL, "6.0.0-1-test"),
              text,
            ]),
          ),
        ),
      },
      /^initramfs: .*the kernel is 6\.1\.0-9-test, but the initramfs has modules only for 6\.0\.0-1-test/,
    ],
    [
      "a kernel that is not the image's",
      { vmlinuz: makeKernel("6.2.0-1-test") },
      /^kernel: .*\/boot\/vmlinuz is 6\.2\.0-1-test, but the image system:1 has modules only for /,
    ],
  ] as const) {
    const system = withBoot((boot) => {
      const files =
        typeof change === "string"
          ? { "EFI/refind/refind.conf": change }
          : change;
      for (const [name, content] of Object.entries(files)) {
        fs.writeFileSync(path.join(boot, name), content);
      }
    });
    const { status, report } = examine(t, system);
    const stopping = findingsOf(report, "stops");
    t.equal(status, 1, what);
    t.ok(
      stopping.some((text) => expected.test(text)),
      `${what}: ${stopping.join("\n")}`,
    );
    t.ok(
      report.findings
        .filter(({ severity }) => severity === "stops")
        .every(({ remedy }) => remedy !== null && remedy !== ""),
      "and what to do",
    );
  }
  t.end();
});

await t.test("what is odd about an entry is a warning", (t) => {
  for (const [change, expected] of [
    [
      options.replace(" rw ", " "),
      /^options: the entry .* the root stays read-only: rw is missing/,
    ],
    [
      `docker_path=other ${options}`,
      /^options: the entry .*: docker_path= is given more than once \(other, docker\)/,
    ],
    [
      `${options} dockroot.generation=2`,
      /^options: the entry .*dockroot\.generation is not known/,
    ],
  ] as const) {
    const system = withBoot((boot) => {
      fs.writeFileSync(`${boot}/EFI/refind/refind.conf`, refindConf(change));
    });
    const { status, report } = examine(t, system);
    t.equal(status, 0, findingsOf(report, "stops").join("\n"));
    const warnings = findingsOf(report, "warning");
    t.ok(
      warnings.some((text) => expected.test(text)),
      warnings.join("\n"),
    );
  }
  t.end();
});

await t.test("the menus of all boot loaders are read", (t) => {
  const system = withBoot((boot) => {
    fs.removeSync(`${boot}/EFI`);
    for (const [name, text] of Object.entries({
      "loader/entries/docker.conf": `title docker\nlinux /vmlinuz\ninitrd /initrd.img\noptions ${options}\n`,
      "loader/entries/gone.conf": `title gone\nlinux /gone\ninitrd /initrd.img\noptions ${options}\n`,
      "grub/grub.cfg": `menuentry 'in GRUB' {\n\tlinux ($root)/vmlinuz ${options}\n\tinitrd /initrd.img\n}\nmenuentry 'other' {\n\tlinux /vmlinuz root=/dev/sda1 ro\n}\n`,
      "limine.conf": `/in Limine\n  protocol: linux\n  path: boot():/vmlinuz\n  cmdline: ${options}\n  module_path: boot():/initrd.img\n`,
      "EFI/refind/refind.conf": "timeout 5\ninclude docker.conf\n",
      "EFI/refind/docker.conf": refindConf(options),
      "refind_linux.conf": `"beside" "${options} initrd=\\initrd.img"\n`,
    })) {
      fs.outputFileSync(path.join(boot, name), text);
    }
  });
  const { status, report } = examine(t, system);
  t.strictSame(report.starts[0]?.names, [
    "the kernel options of this boot",
    'the entry "beside" of /boot/refind_linux.conf',
    'the entry "docker" of /boot/loader/entries/docker.conf',
    'the entry "gone" of /boot/loader/entries/gone.conf',
    'the entry "in GRUB" of /boot/grub/grub.cfg',
    'the entry "in Limine" of /boot/limine.conf',
    'the entry "docker" of /boot/EFI/refind/docker.conf',
  ]);
  t.strictSame(findingsOf(report, "stops"), [
    'kernel: the entry "gone" of /boot/loader/entries/gone.conf: its kernel /gone is missing',
  ]);
  t.equal(status, 1);
  t.ok(
    findingsOf(report, "ok").includes(
      "boot-entries: entries that boot an image: 6 of the 7 found",
    ),
  );
  t.end();
});

await t.test("an image is named by the initramfs, or by --image", (t) => {
  const system = { ...withBoot(), etc: {}, cmdline: "quiet" };
  const { status, report } = examine(t, system);
  t.equal(status, 0);
  t.equal(report.starts[0]?.image?.reference, "system:1");
  const other = examine(t, system, "--image", "system:2");
  t.equal(other.report.starts[0]?.image?.reference, "system:2");
  t.equal(other.status, 0);
  const absent = examine(t, system, "--image", "nothing");
  t.equal(absent.status, 1);
  t.match(
    absent.report.findings.find(({ subject }) => subject === "image"),
    {
      severity: "stops",
      message:
        /nothing:latest is not in .*docker_image=nothing:latest by --image, .*docker_path=docker on the kernel command line/,
      remedy: /^Name an image as docker images /,
    },
  );
  t.end();
});

await t.test("a kernel on the top level of the disk is found", async (t) => {
  await disk.look((top) => {
    fs.writeFileSync(`${top}/boot_docker/vmlinuz`, makeKernel("5.0.0-1-test"));
  });
  const system = withBoot((boot) => {
    const text = refindConf(options).replace("/vmlinuz", "boot_docker/vmlinuz");
    fs.writeFileSync(`${boot}/EFI/refind/refind.conf`, text);
  });
  const { report } = examine(t, system);
  t.match(findingsOf(report, "stops"), [
    /^kernel: .*: \S*(?<!toplevel\/)boot_docker\/vmlinuz is 5\.0\.0-1-test, but the image /,
  ]);
  await disk.look((top) => {
    fs.removeSync(`${top}/boot_docker/vmlinuz`);
  });
});

await t.test("a store that docker pull does not fill is told", (t) => {
  const system = withBoot();
  const elsewhere = examine(t, { ...system, store: [] });
  t.equal(elsewhere.status, 0);
  t.match(withoutSpace(findingsOf(elsewhere.report, "warning")), [
    /^store-mount: .*: the image store docker on LABEL=\S+ is not mounted at \/var\/lib\/docker here/,
  ]);
  for (const [text, expected] of [
    [
      '{ "storage-driver": "overlay2" }',
      /^engine: this system: .* names the storage driver overlay2/,
    ],
    [
      '{ "features": { "containerd-snapshotter": true } }',
      /^engine: this system: .* enables the feature containerd-snapshotter/,
    ],
    ["{", /^engine: this system: .* is not valid/],
  ] as const) {
    const { report } = examine(t, {
      ...system,
      etc: { ...system.etc, "docker/daemon.json": text },
    });
    t.match(withoutSpace(findingsOf(report, "warning")), [expected]);
  }
  t.end();
});

await t.test(
  "a top layer that locks out, or mounts another root",
  async (t) => {
    const system = withBoot();
    const shadow = (top: string) => `${top}/boot_docker/etc/shadow`;
    const fstab = (top: string) => `${top}/boot_docker/etc/fstab`;
    await disk.look((top) => {
      fs.copySync(`${top}/boot_docker`, `${top}/kept`);
      fs.writeFileSync(shadow(top), "root:!:1::::::\n");
      fs.writeFileSync(fstab(top), `${device} / btrfs subvol=@ 0 0\n`);
    });
    const { status, report } = examine(t, system);
    t.equal(status, 1);
    t.match(findingsOf(report, "stops"), [
      /^fstab: the image system:1: line 1 of \/etc\/fstab names another root: subvol=@/,
      /^logins: the image system:1: nobody can log in/,
    ]);
    t.match(withoutSpace(findingsOf(report, "warning")), [
      /^store-mount: the image system:1: nothing mounts the image store at \/var\/lib\/docker/,
    ]);
    await disk.look((top) => {
      fs.removeSync(`${top}/boot_docker`);
      fs.renameSync(`${top}/kept`, `${top}/boot_docker`);
    });
  },
);

await t.test("a machine that boots no image yet", (t) => {
  const system = withBoot((boot) => {
    fs.removeSync(`${boot}/EFI`);
  });
  const plain = { ...system, etc: {}, cmdline: "quiet" };
  const { status, report } = examine(t, plain);
  t.equal(status, 0);
  t.strictSame(report.starts, []);
  t.match(findingsOf(report, "warning"), [
    /^boot-entries: no boot menu entry of rEFInd, systemd-boot, GRUB or Limine boots an image/,
  ]);
  t.ok(findingsOf(report, "unknown").includes("image: no image is named"));
  const named = examine(t, plain, "--image", "bare:1");
  t.equal(named.status, 1);
  t.match(findingsOf(named.report, "stops"), [
    /^init: the image bare:1 has no init/,
    /^kernel: the image bare:1 has no kernel modules/,
  ]);
  const onExt4 = examine(t, { ...plain, store: ["-t", "tmpfs", "tmpfs"] });
  t.match(findingsOf(onExt4.report, "stops"), [
    /^disk: the image store \/var\/lib\/docker is on tmpfs, and dockroot makes roots on btrfs, ext4, xfs/,
  ]);
  t.end();
});

await t.test("an image in the making is looked at from inside", async (t) => {
  const tree = path.join(disk.scratch, "tree");
  for (const name of [...helperNames, executable]) {
    const file = await run(["sh", "-c", 'command -v "$0"', name]);
    const libraries = await run(["ldd", file]);
    for (const library of libraries.match(/(?<=\s)\/\S+/g) ?? []) {
      fs.copySync(library, path.join(tree, library), { dereference: true });
    }
    const copy = path.join(tree, "usr/bin", path.basename(file));
    fs.copySync(file, copy, { dereference: true });
  }
  fs.writeFileSync(`${tree}/boot/vmlinuz-${KERNEL}`, makeKernel(KERNEL));
  const image = `${tree}/boot/initrd.img-${KERNEL}`;
  const inside = () => {
    const script =
      'mount -t proc proc "$0/proc"; mount --rbind /dev "$0/dev"; exec chroot "$0" /usr/bin/dockroot doctor --json';
    const { status, stdout, stderr } = spawnSync(
      "unshare",
      ["--mount", "--pid", "--fork", "sh", "-ec", script, tree],
      { encoding: "utf8" },
    );
    if (stdout === "") throw new Error(stderr);
    const report = JSON.parse(stdout) as DoctorReport;
    conforms(t, "doctor", report);
    return { status, report };
  };
  const early = inside();
  t.notOk(early.report.isRunningSystem);
  t.strictSame(findingsOf(early.report, "stops"), []);
  t.equal(early.status, 0);
  t.match(findingsOf(early.report, "warning"), [
    /^logins: this system: nobody can log in unless a top layer provides/,
  ]);
  t.match(findingsOf(early.report, "unknown"), [
    /^options: there is no \/etc\/dockroot\.json/,
    /^boot-entries: .* were not checked/,
    /^image: the image store was not checked/,
    /^initramfs: this system has no initramfs in \/boot yet/,
  ]);

  const fstab = `${tree}/etc/fstab`;
  fs.writeFileSync(fstab, "/dev/sda1 / ext4 defaults 0 1\n");
  const pc = inside();
  t.equal(pc.status, 0, "a PC in a chroot boots by its own fstab");
  t.match(
    pc.report.findings.find(({ subject }) => subject === "fstab"),
    {
      severity: "warning",
      message: /^this system, as an image without a top layer: line 1 .* ext4/,
      remedy: /Only in an image: a PC .* needs its fstab as it is\.$/,
    },
  );
  fs.removeSync(fstab);

  fs.writeFileSync(`${tree}/etc/dockroot.json`, '{ "docker_image": "system" }');
  fs.writeFileSync(image, packInitramfs({ init: "" }));
  const without = inside();
  t.equal(without.status, 1);
  t.match(findingsOf(without.report, "stops"), [
    `initramfs: dockroot is not in /boot/initrd.img-${KERNEL}`,
  ]);
  fs.writeFileSync(image, packInitramfs(INITRAMFS));
  // As Ubuntu's kernels and Fedora's dracut leave them.
  fs.symlinkSync("initrd.img-gone", `${tree}/boot/initrd.img.old`);
  fs.symlinkSync("initrd.img-gone", `${tree}/boot/initrd.img`);
  for (const name of ["initramfs-0-rescue-0123.img", "initrd.img-6.bak"]) {
    fs.writeFileSync(`${tree}/boot/${name}`, packInitramfs({ init: "" }));
  }
  t.equal(inside().status, 0);
  const { status, stdout } = spawnSync(executable, ["doctor", "--root", tree], {
    encoding: "utf8",
  });
  t.equal(status, 0);
  t.match(
    stdout,
    `\nok  initramfs  dockroot is in /boot/initrd.img-${KERNEL}\n`,
  );

  const former = `${tree}/etc/docker-btrfs.json`;
  fs.writeFileSync(former, '{ "docker_image": "sample_image" }');
  t.match(
    findingsOf(inside().report, "warning").join("\n"),
    "options: /etc/dockroot.json counts, and /etc/docker-btrfs.json has no effect; they differ: docker_image (system, not sample_image)",
  );
  fs.removeSync(former);
  fs.writeFileSync(`${tree}/etc/dockroot.json`, '{ "docker_image": }');
  fs.removeSync(`${tree}/etc/initramfs-tools/hooks/dockroot`);
  fs.removeSync(`${tree}/sbin/init`);
  fs.removeSync(`${tree}/lib/modules/${KERNEL}`);
  const broken = inside();
  t.equal(broken.status, 1);
  t.match(findingsOf(broken.report, "stops"), [
    /^options: \/etc\/dockroot\.json is not valid JSON/,
    /^init: this system has no init/,
    /^kernel: this system has no kernel modules/,
  ]);
  t.match(
    findingsOf(broken.report, "warning")[0],
    /^initramfs: this system: initramfs-tools makes an initramfs without dockroot: /,
  );
});
