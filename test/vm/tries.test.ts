// runner: tier=all seconds=900 needs=two-kernels
import { rm } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { layOutEsp, makeFirmware } from "../../fixtures/boot-loaders.ts";
import { findBootPackages } from "../../fixtures/boot-packages.ts";
import { makeEspDisk } from "../../fixtures/esp-disk.ts";
import { logIn, type GuestShell } from "../../fixtures/guest-shell.ts";
import type { Vm } from "../../fixtures/vm.ts";
import type { Deployments } from "../../runtime/records/deployments.ts";
import { composeCmdline, createComputer, STARTS_LOADER } from "./computer.ts";

const packages = await findBootPackages((_name, work) => work(() => undefined));
const RESTART_TIMEOUT_MS = 5 * 60_000;
const ENTRY = "/boot/loader/entries/dockroot_docker_rwlayer-2-1";

/** The file with the candidate's options, and what tells that it has no try left. */
const COUNTERS = {
  grub: {
    file: "/boot/grub/dockroot.cfg",
    isUsedUp: "grep -q ^dockroot_left=0 /boot/grub/dockroot.env",
  },
  "systemd-boot": {
    file: `${ENTRY}+3-0.conf`,
    isUsedUp: `test -e ${ENTRY}+0-3.conf`,
  },
} as const;

type Counting = keyof typeof COUNTERS;

/** A machine whose next deployment has another kernel. */
async function upgraded(t: Test, loader: Counting) {
  const computer = await createComputer(t, `tries-${loader}`, "two-kernels");
  const { machine, workDir } = computer;
  const esp = join(workDir, "esp.img");
  t.teardown(() => rm(esp));
  const options = composeCmdline("login", "");
  await makeEspDisk(
    esp,
    layOutEsp(loader, packages, machine, options),
    workDir,
  );
  const vm = await computer.start(t, {
    firmware: await makeFirmware(packages, join(workDir, "vars.fd")),
    moreDisks: [esp],
  });
  const logInAsRoot = () => logIn(vm, "root", "demo");
  const shell = await logInAsRoot();
  const kernel = await shell("uname -r");
  await shell("dockroot upgrade demo:2 --pull never");
  t.match((await readState(shell)).deployments[1], {
    tries: { left: 3, done: 0 },
  });
  const restart = async () => {
    await reboot(vm);
    return logInAsRoot();
  };
  return { vm, machine, shell, kernel, restart, logInAsRoot };
}

for (const loader of ["systemd-boot", "grub"] as const) {
  await t.test(`${loader} counts a kernel that panics`, async (t) => {
    const { file, isUsedUp } = COUNTERS[loader];
    const { kernel, restart, ...machine } = await upgraded(t, loader);
    let { shell } = machine;
    await shell("mount /dev/vdb1 /boot");
    await shell(`sed -i 's/panic=30/panic=1 rdinit=\\/none/' ${file}`);
    await shell("umount /boot");
    shell = await restart();
    t.equal(
      await shell("uname -r"),
      kernel,
      "the kernel that is known to work",
    );
    await shell("mount /dev/vdb1 /boot");
    await shell(isUsedUp);
    await shell("umount /boot");
    await shell("dockroot confirm");
    t.match(await readState(shell), {
      next: 1,
      deployments: [
        { n: 1, state: "good" },
        { n: 2, state: "bad", failure: /has started it 3 times/ },
      ],
    });
  });
}

await t.test("one that cannot boot, and then confirms itself", async (t) => {
  const { vm, machine, kernel, restart, logInAsRoot, ...first } =
    await upgraded(t, "systemd-boot");
  let { shell } = first;
  const tree = `/mnt/.dockroot/images/${machine.images["demo:2"]?.slice("sha256:".length) ?? ""}/tree`;
  const rename = async (from: string, to: string) => {
    await shell("mount -o subvolid=5 LABEL=linux /mnt");
    await shell(`btrfs property set ${tree} ro false`);
    await shell(`mv ${tree}/usr/sbin/${from} ${tree}/usr/sbin/${to}`);
    await shell("umount /mnt");
  };
  await rename("init", "other");
  shell = await restart();
  t.not(await shell("uname -r"), kernel, "the kernel of the one without init");
  t.match(JSON.parse(await shell("cat /run/dockroot/boot.json")), {
    ...{ result: "fallback", deployment: 1, hasModules: true },
    failure: { code: "INIT_MISSING" },
  });
  // It restarts by itself, for its own kernel.
  await vm.waitFor(STARTS_LOADER, RESTART_TIMEOUT_MS);
  shell = await logInAsRoot();
  t.equal(await shell("uname -r"), kernel, "its own");
  t.match(JSON.parse(await shell("dockroot status --json || test $? = 4")), {
    result: "fresh",
    deployments: { bad: { n: 2 } },
  });
  await rename("other", "init");

  await shell("dockroot rollback 2");
  shell = await restart();
  t.not(await shell("uname -r"), kernel);
  t.match((await readState(shell)).deployments[1], {
    tries: { left: 2, done: 1 },
  });
  // A minute after the system has come up.
  await shell(
    "while dockroot deployments | grep -q candidate; do sleep 3; done",
  );
  t.match((await readState(shell)).deployments[1], {
    ...{ state: "good", tries: null },
  });
  await shell("mount /dev/vdb1 /boot");
  await shell(`test -e ${ENTRY}.conf`);
});

/** As its user restarts it: firmware starts what its boot loader has next. */
async function reboot(vm: Vm): Promise<void> {
  vm.send("reboot\r");
  await vm.waitFor(STARTS_LOADER, RESTART_TIMEOUT_MS);
}

async function readState(shell: GuestShell): Promise<Deployments> {
  await shell("mount -o ro,subvolid=5 LABEL=linux /mnt");
  const text = await shell(
    "cat /mnt/.dockroot/docker_rwlayer/deployments.json",
  );
  await shell("umount /mnt");
  return JSON.parse(text) as Deployments;
}
