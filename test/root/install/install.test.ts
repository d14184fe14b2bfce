// runner: tier=first seconds=187 needs=debian,trixie
import {
  spawn,
  spawnSync,
  type ChildProcessWithoutNullStreams,
} from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import t from "tap";
import { executable } from "../../binary/run-dockroot.ts";
import { makeInstalledSystem } from "../installed-system.ts";

const HELPERS = [
  ...["btrfs", "mount", "umount", "blkid", "flock", "setpriv"],
  ...["cp", "sync", "cat"],
];
const PAGES = {
  man: "usr/share/man/man8/dockroot.8",
  bash: "usr/share/bash-completion/completions/dockroot",
  zsh: "usr/share/zsh/vendor-completions/_dockroot",
  fish: "usr/share/fish/vendor_completions.d/dockroot.fish",
};
const GENERATORS = {
  "initramfs-tools": { list: "lsinitramfs", flags: [] },
  dracut: { list: "lsinitrd", flags: ["--generator", "dracut"] },
};

// All before the first test: the last one's end is the file's.
const systems = {
  bookworm: await makeInstalledSystem(t, "bookworm"),
  trixie: await makeInstalledSystem(t, "trixie"),
};

for (const [suite, system] of Object.entries(systems)) {
  const image = `boot/initrd.img-${system.kernelVersion}`;
  const before = system.tree();

  for (const [name, { list, flags }] of Object.entries(GENERATORS)) {
    await t.test(
      `${suite}, ${name}: installed, again, uninstalled`,
      async (t) => {
        const dry = system.dockroot("install", "--dry-run", ...flags);
        t.match(dry, { status: 0, stdout: /write +\/usr\/bin\/dockroot/ });
        t.strictSame(system.tree(), before, "--dry-run changes nothing");
        t.notOk(fs.existsSync(logOf(system)), "nor is it logged");

        const packaged = [`${PAGES.man}.gz`, PAGES.bash].map((file) =>
          path.join(system.root, file),
        );
        const made = packaged.map((file) =>
          fs.mkdirSync(path.dirname(file), { recursive: true }),
        );
        for (const file of packaged) fs.writeFileSync(file, "a package's");
        const beside = system.dockroot("install", "--dry-run", ...flags).stdout;
        t.match(beside, `write   /${PAGES.zsh}\n`);
        t.notMatch(beside, `/${PAGES.man}`, "a package has brought it");
        t.notMatch(beside, `/${PAGES.bash}`, "a package has brought it");
        for (const file of packaged) fs.rmSync(file);
        for (const directory of made) {
          if (directory !== undefined)
            fs.rmSync(directory, { recursive: true });
        }

        const first = system.dockroot(
          "install",
          "--image",
          "me/pc:1",
          "--verbose",
          ...flags,
        );
        t.equal(first.status, 0, first.stderr);
        t.match(first.stderr, /^\[.*\] INFO.*: begins \{.*\}$/m);
        const log = readLog(system);
        t.match(log[0], { level: 30, command: "install", msg: "begins" });
        t.match(
          log.find(({ msg }) => msg === "planned"),
          {
            files: [{ kind: "write", path: "/usr/bin/dockroot" }],
            images: [`/${image}`],
          },
        );
        t.match(log.at(-1), {
          msg: "ended",
          exitStatus: 0,
          durationMs: Number,
        });
        t.equal(fs.statSync(logOf(system)).mode & 0o777, 0o600);
        t.match(first.stdout, new RegExp(`for ${name}`));
        for (const [page, file] of Object.entries(PAGES)) {
          const text = fs.readFileSync(path.join(system.root, file), "utf8");
          const wanted =
            page === "man"
              ? /^\.Dt DOCKROOT 8$/m
              : await system.within("dockroot", "completion", page);
          t.match(text, wanted, file);
        }
        t.match(first.stdout, `/${image} has dockroot, its helpers`);
        const files = (await system.within(list, `/${image}`)).split("\n");
        for (const file of [
          ...["usr/bin/dockroot", "etc/dockroot.json"],
          ...HELPERS.map((helper) => `usr/lib/dockroot/bin/${helper}`),
        ]) {
          t.ok(
            files.some((line) => line.endsWith(file)),
            `${file} is in it`,
          );
        }
        t.strictSame(
          JSON.parse(
            fs.readFileSync(
              path.join(system.root, "etc/dockroot.json"),
              "utf8",
            ),
          ),
          { docker_image: "me/pc", docker_tag: "1" },
        );

        const installed = system.tree();
        const second = system.dockroot("install");
        t.match(second, { status: 0, stdout: /nothing was changed/ });
        t.strictSame(system.tree(), installed);

        const end = system.dockroot("uninstall");
        t.match(end, { status: 0, stderr: "" });
        t.match(end.stdout, "The log /var/log/dockroot.log is kept.");
        t.match(readLog(system).at(-1), {
          command: "uninstall",
          exitStatus: 0,
        });
        t.strictSame(system.tree(), before);
        t.match(system.dockroot("uninstall"), {
          status: 0,
          stdout: /is not installed here/,
        });
        fs.rmSync(logOf(system));
      },
    );
  }
}

const system = systems.bookworm;
const image = path.join(system.root, `boot/initrd.img-${system.kernelVersion}`);
const at = (file: string) => path.join(system.root, file);
let before = system.tree();

await t.test(
  "an initramfs that was there is built anew, and again",
  async (t) => {
    await system.within(
      ...["mkinitramfs", "-o", image.slice(system.root.length)],
      system.kernelVersion,
    );
    fs.writeFileSync(
      at("etc/docker-btrfs.json"),
      '{\n"docker_image": "archlinux/base",\n"docker_tag": "latest"\n}\n',
    );
    t.match(system.dockroot("install"), {
      status: 0,
      stdout:
        /image +archlinux\/base:latest, as \/etc\/docker-btrfs\.json says/,
    });
    t.notOk(
      fs.existsSync(at("etc/dockroot.json")),
      "the file that its user edits is the one that counts",
    );
    t.match(await listImage(), /etc\/docker-btrfs\.json/);
    t.match(await listImage(), /usr\/bin\/dockroot/);
    fs.writeFileSync(
      at("etc/docker-btrfs.json"),
      '{ "docker_image": "sample_image" }\n',
    );
    t.match(
      system.dockroot("install", "--dry-run").stdout,
      /build .*\n(?:.*\n)*.*image +sample_image, as \/etc\/docker-btrfs/,
      "once that is edited, the initramfs is out of date",
    );
    t.match(system.dockroot("install", "--no-build", "--image", "x"), {
      status: 0,
      stdout: /write +\/etc\/dockroot\.json/,
    });
    t.match(
      system.dockroot("install", "--dry-run").stdout,
      /warning: \/etc\/dockroot\.json counts, .* differ: docker_image \(x, not sample_image\)/,
    );

    fs.truncateSync(image, 1024 * 1024);
    t.match(system.dockroot("install", "--dry-run"), {
      status: 0,
      stdout: /build +\/boot\/initrd/,
    });

    const hook = at("etc/initramfs-tools/hooks/dockroot");
    fs.appendFileSync(hook, "# my own\n");
    fs.writeFileSync(at("etc/dockroot.json"), '{ "docker_image": "mine" }\n');
    const { status, stdout, stderr } = system.dockroot("uninstall");
    t.equal(status, 0, stderr);
    t.match(
      stdout,
      /keep +\/etc\/dockroot\.json, which was changed after the install\n/,
    );
    t.match(
      stdout,
      /keep +\/etc\/initramfs-tools\/hooks\/dockroot, .*, as \S+/,
    );
    const kept = at("var/lib/dockroot/kept/etc/initramfs-tools/hooks/dockroot");
    t.match(fs.readFileSync(kept, "utf8"), /# my own/);
    t.notOk(fs.existsSync(hook), "where it was, it would end every build");
    t.notOk(fs.existsSync(at("usr/bin/dockroot")));
    fs.rmSync(at("var/lib/dockroot"), { recursive: true });
    fs.rmSync(at("etc/dockroot.json"));
    fs.rmSync(at("etc/docker-btrfs.json"));
    before = system.tree();
  },
);

await t.test("a log that cannot be written is one warning", (t) => {
  fs.rmSync(logOf(system));
  fs.mkdirSync(logOf(system));
  const { status, stderr } = system.dockroot("uninstall");
  t.equal(status, 0);
  t.match(stderr, /^dockroot: warning: cannot write the log: EISDIR.*\n$/);
  fs.rmdirSync(logOf(system));
  fs.writeFileSync(logOf(system), "theirs");
  fs.chmodSync(logOf(system), 0o666);
  t.match(system.dockroot("uninstall"), {
    status: 0,
    stderr:
      /^dockroot: warning: cannot write the log: \S+ can be written by others\n$/,
  });
  t.equal(fs.readFileSync(logOf(system), "utf8"), "theirs");
  fs.rmSync(logOf(system));
  t.end();
});

function logOf({ root }: { readonly root: string }): string {
  return path.join(root, "var/log/dockroot.log");
}

function readLog(
  system: Parameters<typeof logOf>[0],
): Record<string, unknown>[] {
  return fs
    .readFileSync(logOf(system), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

async function listImage(): Promise<string> {
  return system.within("lsinitramfs", image.slice(system.root.length));
}

await t.test("what stood there before comes back", (t) => {
  fs.writeFileSync(at("usr/bin/dockroot"), "somebody's own\n", { mode: 0o700 });
  fs.writeFileSync(at("etc/dockroot.json"), '{ "docker_path": "store" }\n', {
    mode: 0o600,
  });
  const own = system.tree();
  t.equal(system.dockroot("install", "--no-build", "--image", "x").status, 0);
  t.match(system.dockroot("install", "--no-build"), {
    status: 0,
    stdout: /The initramfs was not built/,
  });
  t.match(
    fs.readFileSync(at("etc/dockroot.json"), "utf8"),
    /"docker_path": "store"/,
  );
  t.equal(fs.statSync(at("etc/dockroot.json")).mode & 0o777, 0o600);
  t.match(system.dockroot("uninstall", "--no-build"), { status: 0 });
  t.strictSame(system.tree(), own);
  fs.rmSync(at("usr/bin/dockroot"));
  fs.rmSync(at("etc/dockroot.json"));
  t.end();
});

await t.test("a failure leaves all as it was, and says why", async (t) => {
  const now = system.tree();
  await t.test("a hook of somebody's that fails", (t) => {
    const hook = at("etc/initramfs-tools/hooks/own");
    fs.writeFileSync(hook, "#!/bin/sh\necho E: my own trouble >&2\nexit 3\n", {
      mode: 0o755,
    });
    const { status, stderr } = system.dockroot("install");
    t.equal(status, 1);
    t.match(stderr, /my own trouble/, "its output is shown");
    t.match(stderr, /cannot build \/boot\/initrd\.img/);
    fs.rmSync(hook);
    t.strictSame(system.tree(), now);
    t.end();
  });
  await t.test("a hook that takes something away", (t) => {
    const hook = at("etc/initramfs-tools/hooks/zz-own");
    fs.writeFileSync(
      hook,
      '#!/bin/sh\n[ "$1" = prereqs ] && echo dockroot && exit 0\nrm "$DESTDIR"/usr/lib/dockroot/bin/blkid\n',
      { mode: 0o755 },
    );
    const { status, stderr } = system.dockroot("install");
    t.equal(status, 1);
    t.match(stderr, /does not contain usr\/lib\/dockroot\/bin\/blkid/);
    fs.rmSync(hook);
    t.strictSame(system.tree(), now);
    t.end();
  });
  await t.test("a hook that cuts the executable short", (t) => {
    const hook = at("etc/initramfs-tools/hooks/zz-own");
    fs.writeFileSync(
      hook,
      '#!/bin/sh\n[ "$1" = prereqs ] && echo dockroot && exit 0\ntruncate -s -1000 "$DESTDIR"/usr/bin/dockroot\n',
      { mode: 0o755 },
    );
    const { status, stderr } = system.dockroot("install");
    t.equal(status, 1);
    t.match(stderr, /something has changed it/);
    fs.rmSync(hook);
    t.strictSame(system.tree(), now);
    t.end();
  });
  await t.test("a helper that is missing, and one that is a busybox", (t) => {
    fs.renameSync(at("usr/sbin/blkid"), at("usr/sbin/blkid.away"));
    t.match(system.dockroot("install"), {
      status: 1,
      stderr: /blkid is not installed[^]*util-linux/,
    });
    fs.writeFileSync(at("usr/sbin/blkid"), "#!/bin/sh\necho BusyBox v1.35\n", {
      mode: 0o755,
    });
    t.match(system.dockroot("install"), {
      status: 1,
      stderr: /blkid is not from util-linux/,
    });
    fs.renameSync(at("usr/sbin/blkid.away"), at("usr/sbin/blkid"));
    fs.renameSync(at("usr/bin/btrfs"), at("usr/bin/btrfs.away"));
    t.match(system.dockroot("install", "--dry-run"), {
      status: 0,
      stdout: /btrfs is not installed: the initramfs boots from ext4 and xfs/,
    });
    fs.renameSync(at("usr/bin/btrfs.away"), at("usr/bin/btrfs"));
    t.strictSame(system.tree(), now);
    t.end();
  });
  await t.test("a configuration that is not valid", (t) => {
    fs.writeFileSync(at("etc/dockroot.json"), "{ docker_image: x }");
    const broken = system.tree();
    t.match(system.dockroot("install"), {
      status: 1,
      stderr: /dockroot\.json is not valid JSON/,
    });
    t.strictSame(system.tree(), broken);
    t.match(readLog(system).at(-1), {
      level: 50,
      command: "install",
      code: /^[A-Z_]+$/,
      msg: /dockroot\.json is not valid JSON/,
    });
    fs.rmSync(at("etc/dockroot.json"));
    t.end();
  });
  for (const [name, { flags }] of Object.entries(GENERATORS)) {
    await t.test(`an interruption while ${name} builds`, async (t) => {
      const child = spawn(executable, [
        ...["install", "--root", system.root, ...flags],
      ]);
      const said = await untilItBuilds(child, () => child.kill("SIGTERM"));
      t.equal(child.signalCode, "SIGTERM");
      t.match(said, /interrupted: nothing was changed/);
      t.strictSame(system.tree(), now, "nothing goes on, or is left");
    });
  }
  await t.test("a power failure while the initramfs is built", async (t) => {
    // As the first process of their own: its end is that of all.
    const child = spawn("unshare", [
      ...["--pid", "--fork", "--mount-proc", "--"],
      ...[executable, "install", "--root", system.root],
    ]);
    const pid = String(child.pid);
    await untilItBuilds(child, () => {
      const children = fs.readFileSync(
        `/proc/${pid}/task/${pid}/children`,
        "utf8",
      );
      process.kill(Number(children), "SIGKILL");
    });
    t.ok(fs.existsSync(at("var/lib/dockroot/undo.json")));
    t.match(system.dockroot("uninstall", "--dry-run"), {
      status: 0,
      stdout: /A run was interrupted here/,
    });
    const { status, stdout } = system.dockroot("uninstall");
    t.equal(status, 0);
    t.match(stdout, /interrupted run had done was taken back/);
    for (const name of fs.readdirSync(at("var/tmp"))) {
      fs.rmSync(at(`var/tmp/${name}`), { recursive: true });
    }
    t.strictSame(system.tree(), now);
  });
  t.strictSame(now, before);
});

/**
 * @param end is called when the executable is in the tree that is to become the initramfs
 * @returns what it has printed when it has ended
 */
async function untilItBuilds(
  child: ChildProcessWithoutNullStreams,
  end: () => void,
): Promise<string> {
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  }
  const look = setInterval(() => {
    const isThere = fs
      .readdirSync(at("var/tmp"))
      .some((name) =>
        ["", "initramfs/"].some((tree) =>
          fs.existsSync(at(`var/tmp/${name}/${tree}usr/bin/dockroot`)),
        ),
      );
    if (!isThere) return;
    clearInterval(look);
    end();
  }, 50);
  await once(child, "close");
  clearInterval(look);
  return said;
}

await t.test("what it needs for itself is named", (t) => {
  fs.renameSync(at("usr/bin/flock"), at("usr/bin/flock.away"));
  t.match(system.dockroot("install"), {
    status: 1,
    stderr: /cannot start flock[^]*util-linux/,
  });
  fs.writeFileSync(at("usr/bin/flock"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
  t.match(system.dockroot("install"), {
    status: 1,
    stderr: /cannot lock \/var\/lib[^]*util-linux/,
  });
  fs.renameSync(at("usr/bin/flock.away"), at("usr/bin/flock"));
  fs.renameSync(at("var/lib"), at("var/lib.away"));
  t.match(system.dockroot("install"), {
    status: 1,
    stderr: /there is no directory \/var\/lib/,
  });
  fs.renameSync(at("var/lib.away"), at("var/lib"));
  t.match(
    spawnSync(
      "setpriv",
      [
        ...["--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"],
        ...[executable, "install", "--root", system.root],
      ],
      { encoding: "utf8" },
    ),
    { status: 1, stderr: /cannot enter \S+\n[^]*what to do: In a container/ },
    "who may not mount",
  );
  t.strictSame(system.tree(), before);
  t.end();
});

await t.test("wrong calls", (t) => {
  t.match(system.dockroot("install", "--generator", "kexec"), {
    status: 2,
    stderr: /kexec is not one of auto, /,
  });
  t.match(system.dockroot("install", "--generator", "mkinitcpio"), {
    status: 1,
    stderr: /mkinitcpio is not installed/,
  });
  fs.copyFileSync(executable, at("opt/dockroot"));
  const inChroot = spawnSync(
    "chroot",
    [system.root, "/opt/dockroot", "install"],
    { encoding: "utf8" },
  );
  t.match(inChroot, { status: 1, stderr: /\/dev\/null is missing/ });
  fs.rmSync(at("opt/dockroot"));
  t.match(system.dockroot("install", "--image", "No Such"), {
    status: 1,
    stderr: /No Such/,
  });
  t.strictSame(system.tree(), before);
  t.end();
});
