import { chmod, cp, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { logIn } from "../../fixtures/guest-shell.ts";
import { run } from "../../fixtures/run.ts";
import { createComputer, powerOff, waitForReport } from "./computer.ts";

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

  const vm = await computer.start(
    t,
    "toplayer=LABEL=machines toplayer_path=/machines/blue",
    [disk],
  );
  const { boot, hostname, systemd } = await waitForReport(vm);
  t.equal(hostname, "blue");
  t.equal(systemd, "running");
  t.strictSame(boot.warnings, []);
  const shell = await logIn(vm);
  t.equal(await shell("stat -c %a /etc/secret"), "600");
  t.equal(await shell("grep -c /dev/vdb /proc/mounts || true"), "0");
  await powerOff(vm);
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
  const disk = join(computer.workDir, "green.img");
  await run(["mkfs.vfat", "-C", "-n", "GREEN", disk, "65536"]);
  const copied = ["etc", "usr"].map((name) => join(files, name));
  await run(["mcopy", "-s", "-i", disk, ...copied, "::"]);

  const options = "toplayer=LABEL=GREEN toplayer_path=/";
  const vm = await computer.start(t, options, [disk]);
  const { boot, hostname, systemd } = await waitForReport(vm);
  t.equal(hostname, "green");
  t.equal(systemd, "running");
  t.match(boot.warnings, [/is on vfat, which keeps neither owners nor modes/]);
  t.equal(boot.warnings.length, 1);
  const shell = await logIn(vm);
  t.equal(await shell("stat -c '%a %u:%g' /etc/shadow"), "600 0:0");
  t.equal(await shell("stat -c '%a %u:%g' /etc/hostname"), "644 0:0");
  await powerOff(vm);
});

function copyDemoFiles(directory: string): Promise<void> {
  return cp(join(import.meta.dirname, "../../demo/toplayer"), directory, {
    recursive: true,
    verbatimSymlinks: true,
  });
}
