// runner: tier=first seconds=1 needs=debian
import fs from "fs-extra";
import path from "node:path";
import t, { type Test } from "tap";
import {
  listFiles,
  type InitramfsImage,
} from "../../../installer/generators/generator.ts";
import { mkinitcpio } from "../../../installer/generators/mkinitcpio.ts";
import { run } from "../../../fixtures/run.ts";
import { readAsset } from "../../../installer/system/read-asset.ts";
import { findProgram } from "../../runner/find-program.ts";
import { executable } from "../../binary/run-dockroot.ts";
import {
  makeOverlaySystem,
  type OverlaySystem,
} from "../stores/overlay-system.ts";

const INSTALL_SCRIPT = "/usr/lib/initcpio/install/dockroot";
const HELPERS = [
  ...["btrfs", "mount", "umount", "blkid", "flock", "setpriv"],
  ...["cp", "sync", "cat"],
];

const standIn = (name: string) =>
  fs.readFileSync(path.join(import.meta.dirname, "mkinitcpio", name), "utf8");

function installFiles({ write }: OverlaySystem): void {
  for (const { path: file, asset, mode } of mkinitcpio.files) {
    write(file, readAsset(asset), mode);
  }
  write("/etc/dockroot.json", "{}\n");
}

await t.test(
  "the install script, where a stand-in is mkinitcpio",
  async (t) => {
    const system = makeOverlaySystem(t, "mkinitcpio-install");
    installFiles(system);
    system.write("/tmp/run", standIn("run-install-script"));
    const build = async (script: string, fails = "") => {
      const result = await system.run("bash", "/tmp/run", script, fails);
      return { ...result, calls: result.stdout.split("\n").slice(0, -1) };
    };
    const whole = await build(INSTALL_SCRIPT);

    t.equal(whole.exitCode, 0);
    t.same(whole.calls, [
      // With this mode the hook strip leaves it alone.
      "add_binary /usr/bin/dockroot /usr/bin/dockroot 555",
      ...HELPERS.map(
        (name) => `add_binary ${name} /usr/lib/dockroot/bin/${name} 755`,
      ),
      "add_file /etc/dockroot.json",
      "add_module btrfs",
      ...["overlay", "ext4", "xfs", "vfat"].map(
        (name) => `add_module ${name}?`,
      ),
      ...["nls_cp437", "nls_ascii", "nls_iso8859_1"].map(
        (name) => `add_module ${name}?`,
      ),
      "add_runscript dockroot",
      "add_file /usr/lib/initcpio/dockroot/functions /usr/lib/dockroot/functions 644",
      "add_file /usr/lib/systemd/system/dockroot.service",
      "add_file /usr/lib/systemd/system/dockroot-go.service",
      "add_file /usr/lib/systemd/system/dockroot-finish.service",
      "add_file /usr/lib/systemd/system/dockroot-rooted.target",
      "add_file /usr/lib/systemd/system/sysroot.mount.d/dockroot.conf",
      "add_file /usr/lib/systemd/system/initrd-cleanup.service.d/dockroot.conf",
      "add_symlink /usr/lib/systemd/system/initrd.target.wants/dockroot-finish.service ../dockroot-finish.service",
      "add_file /usr/lib/initcpio/dockroot/emergency.conf /etc/systemd/system/emergency.service.d/dockroot.conf 644",
      "end of the first",
    ]);

    await t.test("its former name in HOOKS means the same", async (t) => {
      const former = await build("/etc/initcpio/install/docker-btrfs");
      t.same(former.calls, whole.calls);
    });

    await t.test("both configurations are in the image", async (t) => {
      const own = makeOverlaySystem(t, "mkinitcpio-two");
      installFiles(own);
      own.write("/etc/docker-btrfs.json", "{}\n");
      own.write("/tmp/run", standIn("run-install-script"));
      const { stdout } = await own.run("bash", "/tmp/run", INSTALL_SCRIPT);
      t.match(
        stdout,
        "add_file /etc/dockroot.json\nadd_file /etc/docker-btrfs.json\n",
      );
    });

    await t.test("the program btrfs need not be there", async (t) => {
      const hidden = `${system.own}/bin/btrfs`;
      await fs.mkdirp(path.dirname(hidden));
      await run(["mknod", hidden, "c", "0", "0"]);
      const { exitCode, calls } = await build(INSTALL_SCRIPT);
      t.equal(exitCode, 0);
      const own = "add_binary btrfs /usr/lib/dockroot/bin/btrfs 755";
      t.strictSame(
        calls,
        whole.calls.filter((call) => call !== own),
      );
      await fs.rm(hidden);
    });

    await t.test("what fails ends mkinitcpio", async (t) => {
      const required = whole.calls.filter(
        (call) =>
          call.startsWith("add_") &&
          !call.endsWith("?") &&
          call !== "add_module btrfs",
      );
      t.equal(required.length, 21);
      for (const call of required) {
        const { exitCode, calls } = await build(INSTALL_SCRIPT, call);
        t.equal(exitCode, 1, call);
        t.match(calls.at(-1), /^die: dockroot: cannot add /);
      }
    });
  },
);

await t.test("the way out goes to the kernel log, with systemd", async (t) => {
  const system = makeOverlaySystem(t, "mkinitcpio-emergency");
  const unit = readAsset("mkinitcpio/emergency.conf");
  const all = [...unit.matchAll(/^ExecStartPre=-\/bin\/sh -c "(.*)"$/gm)].map(
    ([, command = ""]) => command.replaceAll('\\"', '"').replaceAll("$$", "$"),
  );
  // The last one restarts a machine, and is run with stand-ins alone.
  const commands = all.filter((command) => command.includes("/dev/kmsg"));
  t.equal(commands.length, 2);
  const [restart = ""] = all.slice(commands.length);
  const restarted = async (cmdline: string) => {
    system.write("/tmp/cmdline", cmdline);
    const script = restart.replace("/proc/cmdline", "/tmp/cmdline");
    const functions =
      'sleep() { echo "sleep $*"; }; reboot() { echo "reboot $*"; }';
    const { stdout } = await system.run("sh", "-c", `${functions}\n${script}`);
    return stdout;
  };
  t.equal(await restarted("quiet panic=30 rw\n"), "sleep 30\nreboot -f\n");
  t.equal(await restarted("quiet panic=0 rw\n"), "");
  t.match(unit, /^Environment=PATH=\/usr\/lib\/dockroot\/bin:.*:\/usr\/bin$/m);
  const say = async (name: string, state: () => void) => {
    state();
    const file = `/tmp/${name}`;
    const script = commands.join("\n").replaceAll("/dev/kmsg", `>${file}`);
    const { stdout } = await system.run("sh", "-c", `${script}\ncat ${file}`);
    return stdout;
  };
  const ofBoot = await say("failed", () => {
    system.write("/usr/bin/systemctl", "#!/bin/sh\n", 0o755);
  });
  t.equal(
    ofBoot,
    "<2>dockroot: there is no root to boot. 'exit' tries again, 'reboot -f' restarts.\n",
  );
  const ofRoot = await say("other", () => {
    system.write("/usr/bin/systemctl", "#!/bin/sh\nexit 1\n", 0o755);
    system.write("/run/dockroot/other-root", "");
  });
  t.equal(
    ofRoot,
    "<2>dockroot: another root is mounted. 'exit' tries again, 'reboot -f' restarts.\n",
  );
});

await t.test(
  "the runtime hook, where a stand-in is mkinitcpio's init",
  async (t) => {
    const path = "/usr/local/sbin:/usr/local/bin:/usr/bin";
    const wayOut = [
      "run_hookfunctions: run_emergencyhook emergency hook plymouth other",
      "dockroot: there is no root to boot. 'exit' tries again, 'reboot -f' restarts.",
      `shell: PATH=/usr/lib/dockroot/bin:${path}`,
    ];
    const begun = [
      "dockroot boot --when /run/dockroot/go",
      "dockroot finish --when /run/dockroot/rooted",
      "devices are there",
    ];
    // What comes before the second boot.
    const firstTries = {
      "": [...begun, "boot goes on", ...wayOut],
      "kill -9": [...begun, "dockroot boot", ...wayOut],
      fill: [...begun, "boot goes on", ...wayOut],
      absent: ["dockroot boot", ...wayOut],
    };
    const makeSystem = (t: Test) => {
      const system = makeOverlaySystem(t, "mkinitcpio-hook");
      installFiles(system);
      system.write("/tmp/run", standIn("run-runtime-hook"));
      // mkinitcpio puts it there.
      system.write(
        "/usr/lib/dockroot/functions",
        readAsset("dockroot-functions"),
      );
      system.write("/usr/bin/dockroot", standIn("dockroot"), 0o755);
      return system;
    };
    const shells = [["busybox", "ash"], ["dash"]];
    for (const shell of shells) {
      for (const [early, firstTry] of Object.entries(firstTries)) {
        await t.test(`${shell.join(" ")} ${early}`, async (t) => {
          const system = makeSystem(t);
          const { exitCode, stdout } = await system.run(
            ...shell,
            "/tmp/run",
            "/usr/lib/initcpio/hooks/dockroot",
            early,
          );
          t.equal(exitCode, 0);
          t.same(stdout.split("\n").slice(0, -1), [
            ...firstTry,
            "dockroot boot",
            ...wayOut,
            "dockroot boot",
            `root is mounted: PATH=${path}`,
            // This one fails: the system starts anyway.
            ["", "fill"].includes(early) ? "finish goes on" : "dockroot finish",
            "dockroot: warning: could not clean up; the system starts anyway",
            "the system starts",
          ]);
        });
      }
      await t.test(`${shell.join(" ")}: panic=7`, async (t) => {
        const hook = "/usr/lib/initcpio/hooks/dockroot";
        const { stdout } = await makeSystem(t).run(
          ...["env", "panic=7", ...shell, "/tmp/run", hook, ""],
        );
        const restart = [
          "dockroot: there is no shell, but a restart after 7 s (panic=7)",
          "reboot -f",
        ];
        t.same(stdout.split("\n").slice(0, 9), [
          ...[...begun, "boot goes on", ...restart],
          ...["dockroot boot", ...restart],
        ]);
      });
      await t.test(`${shell.join(" ")}: another root`, async (t) => {
        const system = makeSystem(t);
        // The first boot is the third.
        system.write("/tmp/starts", "\n\n");
        system.write("/tmp/other-root", "2\n");
        const { exitCode, stdout } = await system.run(
          ...[...shell, "/tmp/run", "/usr/lib/initcpio/hooks/dockroot", ""],
        );
        t.equal(exitCode, 0);
        const [hooks, , program] = wayOut;
        const stop = [
          hooks,
          "dockroot: another root is mounted. 'exit' tries again, 'reboot -f' restarts.",
          program,
          "dockroot finish",
        ];
        t.same(stdout.split("\n").slice(0, -1), [
          ...[...begun, "boot goes on"],
          ...[`root is mounted: PATH=${path}`, "finish goes on"],
          ...[...stop, ...stop, "the system starts"],
        ]);
      });
    }
  },
);

await t.test(
  "what mkinitcpio is to build is read from its presets",
  async (t) => {
    const system = makeOverlaySystem(t, "mkinitcpio-presets");
    const { host, write } = system;
    // Stands in for mkinitcpio's own way to tell a kernel's version.
    write(
      "/usr/lib/initcpio/functions",
      'kver() { read -r version <"$1" && printf %s "$version"; }\n',
    );
    write("/boot/vmlinuz-linux", "6.18.1-arch1-1\n");
    write("/etc/mkinitcpio.conf", "HOOKS=(base udev block)\n");
    t.same(await mkinitcpio.builds(host, "any"), [], "no kernel yet");
    write(
      "/etc/mkinitcpio.d/linux.preset",
      `# mkinitcpio preset file for the 'linux' package
echo "a preset may talk"
ALL_kver="/boot/vmlinuz-linux"
PRESETS=('default' 'fallback')
default_image="/boot/initramfs-linux.img"
default_uki="/efi/EFI/Linux/arch linux.efi"
default_options="--splash /usr/share/systemd/bootctl/splash-arch.bmp"
fallback_image="/boot/initramfs-linux-fallback.img"
fallback_options=(-S autodetect)
`,
    );
    write(
      "/etc/mkinitcpio.d/linux-lts.preset",
      `ALL_config=/etc/lts.conf
ALL_kver=/boot/vmlinuz-linux
PRESETS=(default other none)
default_kver=6.12.9-1-lts
default_efi_image=/efi/lts.efi
other_kver=6.12.8-1-lts
other_image=/boot/other.img
other_options="-c /etc/other.conf --kernel=6.12.7-1-lts"
`,
    );
    write("/etc/lts.conf", "HOOKS=(base udev block encrypt)\n");
    write("/etc/elsewhere", "HOOKS='base systemd block'\n");
    fs.symlinkSync("/etc/elsewhere", path.join(system.root, "etc/other.conf"));
    write("/etc/mkinitcpio.conf.d/10-x.conf", "HOOKS+=(strip)\n");
    write("/etc/mkinitcpio.conf.d/9-x.conf", "HOOKS+=(resume)\n");
    write("/etc/mkinitcpio.conf.d/README", "HOOKS=()\n");

    t.same(await mkinitcpio.builds(host, "any"), [
      {
        argv: ["mkinitcpio", "-p", "linux-lts"],
        images: [
          built("/efi/lts.efi", "6.12.9-1-lts"),
          built("/boot/other.img", "6.12.7-1-lts"),
        ],
      },
      {
        argv: ["mkinitcpio", "-p", "linux"],
        images: [
          "/boot/initramfs-linux.img",
          "/efi/EFI/Linux/arch linux.efi",
          "/boot/initramfs-linux-fallback.img",
        ].map((file) => built(file, "6.18.1-arch1-1")),
      },
    ]);
    const edits = await mkinitcpio.enable(host);
    t.same(
      edits.map(({ path: file, content }) => [file, content]),
      [
        ["/etc/lts.conf", "HOOKS=(base udev block encrypt dockroot)\n"],
        ["/etc/elsewhere", "HOOKS='base systemd block dockroot'\n"],
        ["/etc/mkinitcpio.conf.d/9-x.conf", "HOOKS+=(resume dockroot)\n"],
      ],
    );
    for (const { path: file, content } of edits) write(file, content);
    t.same(await mkinitcpio.enable(host), []);
    t.equal((await mkinitcpio.disable(host)).length, 3);

    fs.rmSync(path.join(system.root, "boot/vmlinuz-linux"));
    await t.rejects(mkinitcpio.builds(host, "any"), {
      code: "KERNEL_MISSING",
      message: /cannot tell the version of \/boot\/vmlinuz-linux/,
    });
  },
);

await t.test("docker-btrfs stays for the package that it is of", async (t) => {
  const { host, write } = makeOverlaySystem(t, "mkinitcpio-former");
  const text = "HOOKS=(base udev block docker-btrfs)\n";
  write("/etc/mkinitcpio.conf", text);
  t.same(await mkinitcpio.enable(host), []);
  t.equal((await mkinitcpio.disable(host)).length, 1);
  fs.outputFileSync(host.path("/usr/lib/initcpio/install/docker-btrfs"), "");
  t.same(await mkinitcpio.disable(host), []);
});

await t.test(
  "where mkinitcpio is gone, nothing is to be taken out",
  async (t) => {
    const { host, write } = makeOverlaySystem(t, "mkinitcpio-gone");
    t.equal(mkinitcpio.isPresent(host), false);
    t.same(await mkinitcpio.disable(host), []);
    await t.rejects(mkinitcpio.enable(host), {
      code: "GENERATOR_UNSUITABLE",
      message:
        "/etc/mkinitcpio.conf, a configuration of mkinitcpio, is missing",
    });
    write("/etc/mkinitcpio.conf.d/x.conf", "HOOKS=(base dockroot)\n");
    t.same(await mkinitcpio.disable(host), [
      {
        path: "/etc/mkinitcpio.conf.d/x.conf",
        content: "HOOKS=(base)\n",
        what: "dockroot out of HOOKS",
      },
    ]);
  },
);

if (findProgram("mkinitcpio") !== undefined) {
  for (const hooks of ["base strip", "base systemd"]) {
    await t.test(`mkinitcpio itself: ${hooks}`, async (t) => {
      const system = makeOverlaySystem(t, "mkinitcpio-itself");
      const { host, own, write, run } = system;
      installFiles(system);
      write("/etc/mkinitcpio.conf", `HOOKS=(${hooks})\n`);
      write("/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
      write("/etc/group", "root:x:0:\n");
      write("/etc/udev/hwdb.bin", "");
      write(
        "/etc/mkinitcpio.d/test.preset",
        "PRESETS=(default)\nALL_kver=none\ndefault_image=/boot/test.img\n",
      );
      fs.copySync(executable, path.join(own, "bin/dockroot"));
      for (const { path: file, content } of await mkinitcpio.enable(host)) {
        write(file, content);
      }
      const [build] = await mkinitcpio.builds(host, "any");
      t.same(build?.images, [built("/boot/test.img", "none")]);
      const made = await run(...(build?.argv ?? []));
      t.equal(made.exitCode, 0, made.stdout);

      const listed = await listFiles(host, mkinitcpio, "/boot/test.img");
      const sizes = new Map(
        listed.map(({ path: file, sizeBytes }) => [file, sizeBytes]),
      );
      for (const file of mkinitcpio.hooksInImage) t.ok(sizes.has(file), file);
      for (const helper of HELPERS) {
        t.ok(sizes.get(`usr/lib/dockroot/bin/${helper}`), helper);
      }
      t.equal(sizes.get("usr/bin/dockroot"), fs.statSync(executable).size);
      const unpack =
        "mkdir /tmp/image && cd /tmp/image && lsinitcpio -x /boot/test.img && chroot . /usr/bin/dockroot --version";
      t.match((await run("bash", "-c", unpack)).stdout, /^dockroot \d/m);

      const image = fs.readFileSync(path.join(system.root, "boot/test.img"));
      const unit = path.join(own, "lib/systemd/system/dockroot.service");
      fs.rmSync(unit);
      fs.mkdirSync(unit);
      t.equal((await run(...(build?.argv ?? []))).exitCode, 1);
      t.ok(
        image.equals(fs.readFileSync(path.join(system.root, "boot/test.img"))),
        "a build that fails leaves the former image",
      );
    });
  }
}

/** mkinitcpio writes over the former image itself, by way of a file that a failure leaves. */
function built(file: string, kernelVersion: string): InitramfsImage {
  return {
    ...{ path: file, builtAt: file, kernelVersion },
    leftover: [`${file}.tmp`],
  };
}
