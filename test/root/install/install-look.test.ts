// runner: tier=first seconds=40 needs=debian
import { spawnSync } from "node:child_process";
import fs from "fs-extra";
import path from "node:path";
import t, { type Test } from "tap";
import { executable } from "../../binary/run-dockroot.ts";
import { makeInstalledSystem } from "../installed-system.ts";

const system = await makeInstalledSystem(t, "bookworm");
const at = (file: string) => path.join(system.root, file);
const TRACE = "var/tmp/trace";
const DIRECTORIES = ["usr/bin", "usr/sbin", "usr/lib/dracut"];
const LOOKS = [
  ["doctor"],
  ["install", "--dry-run"],
  ["uninstall", "--dry-run"],
];

/** What a program of the system has left; nothing where none has run. */
function trace(): string {
  return fs.existsSync(at(TRACE)) ? fs.readFileSync(at(TRACE), "utf8") : "";
}

await t.test("what a real install runs sees no disk of this machine", (t) => {
  const generator = at("usr/sbin/mkinitramfs");
  fs.moveSync(generator, `${generator}.away`);
  fs.writeFileSync(
    generator,
    `#!/bin/sh
{
  echo disks: $(find /dev -type b)
  echo devices: $(cd /dev; ls)
  grep NoNewPrivs /proc/self/status
  : >/dev/null && cat /dev/fd/0 </dev/zero | head -c 1 | wc -c
} >/${TRACE} 2>&1
exit 3
`,
    { mode: 0o755 },
  );
  const { status, stderr } = system.dockroot("install");
  t.equal(status, 1);
  t.match(stderr, /cannot build \/boot\/initrd/);
  t.equal(
    trace(),
    [
      "disks:",
      "devices: fd full null ptmx pts random shm stderr stdin stdout tty urandom zero",
      "NoNewPrivs:\t1",
      "1",
      "",
    ].join("\n"),
  );
  fs.removeSync(at(TRACE));
  fs.moveSync(`${generator}.away`, generator, { overwrite: true });
  t.end();
});

await t.test("what only looks tells the same as what runs there", async (t) => {
  t.equal(system.dockroot("install", "--image", "x").status, 0);
  const dry = system.dockroot("install", "--dry-run");
  t.match(dry, {
    status: 0,
    stdout:
      /whether \/boot\/initrd\S+ has all libraries\nEverything is in place/,
  });
  const { stdout } = system.dockroot("doctor");
  const image = `/boot/initrd.img-${system.kernelVersion}`;
  t.match(stdout, `dockroot is in ${image}\n`);
  t.match(
    stdout,
    /^ok +helpers +btrfs 6\.2, mount 2\.38\.1, umount 2\.38\.1, blkid 2\.38\.1, flock 2\.38\.1, setpriv 2\.38\.1, cp 9\.1, sync 9\.1, cat 9\.1$/m,
  );
  const away = system.dockroot("uninstall", "--dry-run");
  t.match(away, { status: 0, stdout: /remove +\/usr\/bin\/dockroot\n/ });
  fs.truncateSync(at(image), 1024 * 1024);
  t.match(system.dockroot("install", "--dry-run"), {
    status: 0,
    stdout: `build   ${image} `,
  });
  t.match(system.dockroot("doctor"), {
    status: 1,
    stdout: `${image} is cut short`,
  });
  fs.moveSync(at("usr/sbin/blkid"), at("blkid"));
  t.match(system.dockroot("install", "--dry-run"), {
    status: 1,
    stderr: /blkid is not installed[^]*util-linux/,
  });
  fs.moveSync(at("blkid"), at("usr/sbin/blkid"));
});

await t.test("what only looks runs nothing of the system", (t) => {
  fs.copySync(at("usr/bin/dash"), at("trace-shell"));
  const leaveTrace = `#!/trace-shell\necho "$0" "$@" >>/${TRACE}\n`;
  for (const name of DIRECTORIES.map(at)) {
    for (const program of fs.readdirSync(name)) {
      const file = path.join(name, program);
      if (fs.lstatSync(file).isDirectory()) continue;
      fs.removeSync(file);
      fs.writeFileSync(file, leaveTrace, { mode: 0o755 });
    }
  }
  lookAround(t);
  spawnSync("chroot", [system.root, "/usr/bin/cp", "x"]);
  t.equal(trace(), "/usr/bin/cp x\n", "a program that runs leaves a trace");
  fs.removeSync(at(TRACE));
  // Nor is anything loaded: without these no program runs at all.
  for (const name of ["lib64", "usr/lib64"]) fs.removeSync(at(name));
  const libraries = at("usr/lib/x86_64-linux-gnu");
  for (const name of fs.readdirSync(libraries)) {
    if (/^(?:ld-linux|libc\.|libstdc)/.test(name)) {
      fs.removeSync(path.join(libraries, name));
    }
  }
  lookAround(t);
  t.end();
});

function lookAround(t: Test): void {
  for (const look of LOOKS) {
    const { status, stdout, stderr } = system.dockroot(...look);
    t.ok([0, 1].includes(status ?? -1) && stderr === "", stderr);
    t.not(stdout, "", look.join(" "));
    t.equal(trace(), "", look.join(" "));
  }
  const versions =
    /not checked, since no program of that system is run: the versions of btrfs, mount, umount, blkid, flock, setpriv, cp, sync, cat\n/;
  t.match(system.dockroot("doctor").stdout, versions);
  t.match(system.dockroot("install", "--dry-run").stdout, versions);
}

await t.test("links that lead out are followed inside", (t) => {
  const secret = path.join(path.dirname(system.root), "secret");
  fs.writeFileSync(secret, '{ "docker_image": "secret" }');
  fs.removeSync(at("etc/dockroot.json"));
  fs.symlinkSync(secret, at("etc/dockroot.json"));
  fs.removeSync(at("proc"));
  fs.mkdirpSync(at("proc/self/ns"));
  fs.symlinkSync("pid:[4026531836]", at("proc/self/ns/pid"));
  for (const process of ["self", "1"]) {
    fs.mkdirpSync(at(`proc/${process}`));
    fs.writeFileSync(
      at(`proc/${process}/mountinfo`),
      "1 0 0:1 / / rw - btrfs /dev/sda rw\n",
    );
  }
  const { stdout } = spawnSync(
    executable,
    ["doctor", "--json", "--root", system.root],
    { encoding: "utf8" },
  );
  t.notMatch(stdout, "secret");
  t.match(JSON.parse(stdout), { isRunningSystem: false });
  t.end();
});
