import { chmod, cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { logIn } from "../../fixtures/guest-shell.ts";
import { run } from "../../fixtures/run.ts";
import { createComputer, powerOff, waitForReport } from "./computer.ts";

const computer = await createComputer(t, "top-layer-disk");

await t.test("a top layer on a disk of its own, with ext4", async (t) => {
  const directory = t.testdir({ machines: { blue: {} } });
  const files = join(directory, "machines/blue");
  await cp(join(import.meta.dirname, "../../demo/toplayer"), files, {
    recursive: true,
    verbatimSymlinks: true,
  });
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
