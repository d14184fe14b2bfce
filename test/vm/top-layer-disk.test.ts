// runner: tier=first seconds=60 needs=machine
import { existsSync } from "node:fs";
import { chmod, cp, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import t from "tap";
import { openShell } from "../../fixtures/guest-shell.ts";
import { run } from "../../fixtures/run.ts";
import { createComputer, syncAndTurnOff, waitForReport } from "./computer.ts";

/** Of a top layer that has no modes: the files to their modes in the root, with directories that are new. */
const MODES: Readonly<Record<string, string>> = {
  "etc/hostname": "644",
  "etc/shadow": "600",
  "etc/shadow-": "600",
  "etc/gshadow": "600",
  "etc/ssh": "755",
  "etc/ssh/ssh_host_ed25519_key": "600",
  "etc/ssh/ssh_host_ed25519_key.pub": "644",
  "etc/ssh/sshd_config": "644",
  "etc/ssl/private": "700",
  "etc/ssl/private/server.pem": "600",
  "etc/wireguard/wg0.conf": "600",
  "etc/NetworkManager/system-connections/wifi.nmconnection": "600",
  "usr/local/bin/tool": "755",
  "usr/local/sbin/dockroot-demo": "755",
  "root/.profile": "600",
  "root/.ssh": "700",
  "root/.ssh/authorized_keys": "600",
  "srv/me": "755",
  "srv/me/.ssh": "700",
  "srv/me/.ssh/id_ed25519": "600",
};

/** Of the image, which a top layer without modes leaves as they are. */
const MODES_OF_IMAGE = { etc: "755", root: "700", tmp: "1777" };

const computer = await createComputer(t, "top-layer-disk");

await t.test("a top layer on a disk of its own, with ext4", async (t) => {
  const directory = t.testdir({ machines: { blue: {} } });
  const files = join(directory, "machines/blue");
  await copyDemoFiles(files);
  await writeFile(join(files, "etc/hostname"), "blue\n");
  await writeFile(join(files, "etc/secret"), "");
  await chmod(join(files, "etc/secret"), 0o600);
  const disk = join(computer.workDir, "machines.img");
  await run([
    "mkfs.ext4",
    "-q",
    "-L",
    "machines",
    "-d",
    directory,
    disk,
    "64M",
  ]);

  const vm = await computer.start(t, {
    cmdline: "toplayer=LABEL=machines toplayer_path=/machines/blue",
    moreDisks: [disk],
  });
  const { boot, hostname, systemd } = await waitForReport(vm);
  t.equal(hostname, "blue");
  t.equal(systemd, "running");
  t.strictSame(boot.warnings, []);
  const shell = await openShell(vm);
  t.equal(await shell("stat -c %a /etc/secret"), "600");
  t.equal(await shell("grep -c /dev/vdb /proc/mounts || true"), "0");
  await syncAndTurnOff(vm);
});

await t.test("a top layer on a disk of its own, with vfat", async (t) => {
  const files = t.testdir({});
  await copyDemoFiles(files);
  const units = join(files, "etc/systemd/system");
  // vfat has no symlinks.
  await rm(join(units, "multi-user.target.wants"), { recursive: true });
  await mkdir(join(units, "multi-user.target.d"));
  await writeFile(
    join(units, "multi-user.target.d/demo.conf"),
    "[Unit]\nWants=dockroot-demo.service\n",
  );
  await writeFile(join(files, "etc/hostname"), "green\n");
  await mkdir(join(files, "tmp"));
  for (const name of Object.keys(MODES).filter(isFile)) {
    await mkdir(dirname(join(files, name)), { recursive: true });
    if (existsSync(join(files, name))) continue;
    await writeFile(join(files, name), `${name}\n`);
  }
  const disk = join(computer.workDir, "green.img");
  await run(["mkfs.vfat", "-C", "-n", "GREEN", disk, "65536"]);
  const copied = (await readdir(files)).map((name) => join(files, name));
  await run(["mcopy", "-s", "-i", disk, ...copied, "::"]);

  const vm = await computer.start(t, {
    cmdline: "toplayer=LABEL=GREEN toplayer_path=/ toplayerfstype=auto",
    moreDisks: [disk],
  });
  const { boot, hostname, systemd } = await waitForReport(vm);
  t.equal(hostname, "green");
  t.equal(systemd, "running");
  t.match(boot.warnings, [/is on vfat, which stores neither owners nor modes/]);
  t.equal(boot.warnings.length, 1);
  const shell = await openShell(vm);
  for (const [name, mode] of Object.entries({ ...MODES, ...MODES_OF_IMAGE })) {
    const shown = await shell(`stat -c '%a %u:%g' /${name}`);
    t.equal(shown, `${mode} 0:0`, name);
  }
});

function isFile(name: string): boolean {
  return !Object.keys(MODES).some((other) => other.startsWith(`${name}/`));
}

function copyDemoFiles(directory: string): Promise<void> {
  return cp(join(import.meta.dirname, "../../demo/toplayer"), directory, {
    recursive: true,
    verbatimSymlinks: true,
  });
}
