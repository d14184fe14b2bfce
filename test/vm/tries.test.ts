// runner: tier=all seconds=400 needs=two-kernels
import t, { type Test } from "tap";
import { logIn, type GuestShell } from "../../fixtures/guest-shell.ts";
import type { Vm } from "../../fixtures/vm.ts";
import type { Deployments } from "../../runtime/records/deployments.ts";
import { STARTS_LOADER } from "./computer.ts";
import { createLoaderComputer } from "./loader-computer.ts";

const RESTART_TIMEOUT_MS = 5 * 60_000;
const ENTRY = "/boot/loader/entries/dockroot_docker_rwlayer-2-1";

/** A machine whose next deployment has another kernel. */
async function upgraded(t: Test) {
  const { machine, turnOn } = await createLoaderComputer(
    t,
    "tries",
    "systemd-boot",
    "login",
  );
  const vm = await turnOn(t);
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

await t.test("one that cannot boot, and then confirms itself", async (t) => {
  const { vm, machine, kernel, restart, logInAsRoot, ...first } =
    await upgraded(t);
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

  // An upgrade that fails by itself is a failed unit, with the reason.
  const service = "dockroot-upgrade.service";
  const dropIn = `/run/systemd/system/${service}.d`;
  await shell(`mkdir -p ${dropIn}`);
  await shell(
    `printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/dockroot upgrade absent:1 --pull never\\n' >${dropIn}/test.conf`,
  );
  await shell(
    "systemctl daemon-reload; systemctl start dockroot-upgrade.timer",
  );
  await shell(`! systemctl start ${service}`);
  t.equal(await shell(`systemctl is-failed ${service}`), "failed");
  t.match(
    await shell(`journalctl --no-pager -u ${service} -o cat`),
    /^dockroot: .*absent:1/m,
  );
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
