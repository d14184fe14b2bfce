// runner: tier=first seconds=250 whole=5000 needs=two-kernels
import { copyFile } from "node:fs/promises";
import t, { type Test } from "tap";
import {
  CANDIDATES,
  MATRIX,
  MATRIX_LOADERS,
  type Candidate,
  type MatrixLoader,
  type Outcome,
} from "../../fixtures/fallback-matrix.ts";
import { openShell, type GuestShell } from "../../fixtures/guest-shell.ts";
import type { Vm } from "../../fixtures/vm.ts";
import type { RootedBoot } from "../../runtime/records/boot-record.ts";
import type { Deployments } from "../../runtime/records/deployments.ts";
import { isWholeTier, sampleSeed } from "../tier.ts";
import { resetFromShell, STARTS_LOADER } from "./computer.ts";
import {
  createLoaderComputer,
  SHELL_AT_EACH_BOOT,
  type LoaderComputer,
} from "./loader-computer.ts";

const BOOT_TIMEOUT_MS = 3 * 60_000;
const STATE = "/mnt/.dockroot/docker_rwlayer/deployments.json";

/** A shell in the place of systemd, unless an option asks for that: such a system is up at once. */
const INIT = [
  "#!/bin/sh",
  "[ ! -e /etc/matrix-exits ] || exit 1",
  "read -r options </proc/cmdline",
  'case "$options" in',
  "*matrix.systemd*) exec /usr/lib/systemd/systemd-real ;;",
  "esac",
  "export PATH=/usr/sbin:/usr/bin",
  "mount -t efivarfs efivarfs /sys/firmware/efi/efivars",
  "exec sh -i </dev/ttyS2 >/dev/ttyS2 2>&1",
];

const FAILING_UNIT = [
  "[Unit]",
  "ConditionKernelCommandLine=matrix.fails",
  "[Service]",
  "Type=oneshot",
  "ExecStart=/bin/false",
];

/** What makes a candidate of a deployment that works: further options of its, and commands. */
const FAULTS: Readonly<
  Record<
    Candidate,
    {
      readonly options?: string;
      /** Where the top level is at /mnt, and the candidate's kept image at $tree. */
      readonly spoil?: string;
      /** Where it has its entry, and its initramfs is $initrd. */
      readonly replace?: string;
      /** Where it takes long: it has fewer. */
      readonly tries?: number;
    }
  >
> = {
  panic: { options: "rdinit=/none panic=1" },
  hang: { options: "rdinit=/none panic=0" },
  initramfs: {
    replace: [
      "mkdir -p /tmp/other && cd /tmp/other",
      "for name in init-top local-premount local-bottom; do mkdir -p scripts/$name && echo exit 0 >scripts/$name/dockroot; done",
      "chmod +x scripts/*/*",
      "truncate --size=%4 $initrd",
      "find . | cpio --quiet --create --format=newc >>$initrd",
      "cd /",
    ].join(" && "),
  },
  "no-init": { spoil: "mv $tree/usr/sbin/init $tree/usr/sbin/other" },
  // Not by an option: the one that stands in for it, by the same entry, would have that, too.
  exits: { options: "panic=1", spoil: "touch $tree/etc/matrix-exits" },
  unit: { options: "matrix.systemd matrix.fails", tries: 1 },
  restart: { options: "matrix.systemd" },
};

const TRIES = 3;

const cells = MATRIX_LOADERS.flatMap((loader) =>
  (Object.keys(CANDIDATES) as Candidate[]).map(
    (candidate) => [loader, candidate] as const,
  ),
);
/** By hand: CELL=grub, CELL="efistub panic hang". */
const [onlyLoader, ...only] = process.env["CELL"]?.split(" ") ?? [];
const sample = sampleSeed() % cells.length;
const chosen = cells.filter(([loader, candidate], index) =>
  onlyLoader === undefined
    ? isWholeTier() || index === sample
    : loader === onlyLoader && (only.length === 0 || only.includes(candidate)),
);

for (const loader of MATRIX_LOADERS) {
  const candidates = chosen.flatMap(([each, candidate]) =>
    each === loader ? [candidate] : [],
  );
  if (candidates.length === 0) continue;
  await t.test(`a machine that ${loader} starts`, async (t) => {
    const computer = await prepare(t, loader);
    for (const candidate of candidates) {
      await t.test(CANDIDATES[candidate], (t) =>
        tryCell(t, computer, loader, candidate),
      );
    }
  });
}

/** A machine that is off, with a deployment that works and another one, which has another kernel. */
async function prepare(t: Test, loader: MatrixLoader): Promise<LoaderComputer> {
  const computer = await createLoaderComputer(
    t,
    `matrix-${loader}`,
    loader === "grub-btrfs" ? "grub" : loader,
    "shell",
    "fstab=no",
  );
  const vm = await computer.turnOn(t);
  const shell = await openShell(vm);
  await shell(SHELL_AT_EACH_BOOT);
  const top = "/mnt/boot_docker";
  const systemd = "usr/lib/systemd/systemd";
  await shell(`mkdir -p ${top}/usr/lib/systemd`);
  await shell(`cp /${systemd} ${top}/${systemd}-real`);
  await shell(writeLines(INIT, `${top}/${systemd}`));
  await shell(`chmod +x ${top}/${systemd}`);
  const units = `${top}/etc/systemd/system`;
  await shell(`mkdir -p ${units}/boot-complete.target.requires`);
  await shell(writeLines(FAILING_UNIT, `${units}/fails.service`));
  await shell(`ln -s ../fails.service ${units}/boot-complete.target.requires`);
  if (loader === "grub-btrfs") {
    await shell("mount LABEL=ESP /boot && mv /boot/grub /mnt/grub");
    await shell(
      'sed -i "s/^search.*/search.fs_uuid $(blkid -s UUID -o value /dev/vda) root/" /boot/EFI/debian/grub.cfg && umount /boot',
    );
  }
  await shell("umount /mnt");
  const given = loader === "efistub" ? "--loader efistub" : "";
  await shell(`dockroot upgrade demo:2 --pull never ${given}`);
  await shell("dockroot rollback 1 && sync");
  await vm.stop();
  for (const file of filesOf(computer)) await copyFile(file, `${file}.base`);
  return computer;
}

function filesOf({ overlay, esp, firmware }: LoaderComputer): string[] {
  return [overlay, esp, firmware.variables];
}

async function tryCell(
  t: Test,
  computer: LoaderComputer,
  loader: MatrixLoader,
  candidate: Candidate,
): Promise<void> {
  for (const file of filesOf(computer)) await copyFile(`${file}.base`, file);
  const vm = await computer.turnOn(t);
  let shell = await openShell(vm);
  t.match(await readBoot(shell), { deployment: 1 });
  await makeCandidate(shell, loader, candidate);
  const outcome = MATRIX[loader][candidate];
  const before = countStarts(vm);
  await resetFromShell(vm);
  const ended = await follow(t, vm, computer, candidate, outcome);
  if (ended === undefined) {
    t.comment(`${loader}, ${CANDIDATES[candidate]}: never`);
    return;
  }
  shell = ended.shell;
  if (outcome === "again") {
    t.match(await readBoot(shell), { result: "fresh", deployment: 2 });
    t.match(await readCandidate(shell), {
      ...{ state: "candidate", tries: { left: 2, done: 2 } },
    });
    return;
  }
  const boots = ended.boots ?? countStarts(vm) - before - 1;
  const { result, deployment } = await readBoot(shell);
  t.equal(deployment, 1, "the former one runs");
  // Where dockroot alone counts, it stands in for the candidate in that one's own last start.
  const expected = Math.min(Number(outcome), FAULTS[candidate].tries ?? TRIES);
  t.equal(boots, expected);
  await shell("dockroot confirm");
  const { state, failure } = await readCandidate(shell);
  t.equal(state, "bad");
  t.match(failure, /(?:started it|has booted) (?:once|3 times)|no root could/);
  await shell("dockroot status || test $? = 4");
  t.comment(
    `${loader}, ${CANDIDATES[candidate]}: ${result}, after ${String(boots)} boots: ${failure ?? ""}`,
  );
}

async function makeCandidate(
  shell: GuestShell,
  loader: MatrixLoader,
  candidate: Candidate,
): Promise<void> {
  const { options, spoil, replace, tries } = FAULTS[candidate];
  await shell("mount -o subvolid=5 LABEL=linux /mnt");
  const edit = (from: string, to: string) =>
    shell(`sed -i 's|${from}|${to}|' ${STATE}`);
  const last = "dockroot.deployment=2";
  if (options !== undefined) await edit(`${last}"`, `${last} ${options}"`);
  if (tries !== undefined) {
    await edit(`"left": *${String(TRIES)}`, `"left":${String(tries)}`);
  }
  const found = (await readState(shell)).deployments[1];
  if (found === undefined) throw new Error("there is no candidate");
  const image = found.image.id.slice("sha256:".length);
  await shell(`tree=/mnt/.dockroot/images/${image}/tree`);
  if (spoil !== undefined) {
    await shell(`btrfs property set $tree ro false && ${spoil}`);
  }
  await shell("dockroot rollback 2");
  if (replace !== undefined) {
    const isOnBtrfs = ["grub", "grub-btrfs", "refind"].includes(loader);
    await shell(
      isOnBtrfs ? "mount --bind /mnt /boot" : "mount LABEL=ESP /boot",
    );
    const initrd = found.kernel.files.at(-1) ?? "";
    await shell(`initrd=/boot/dockroot/${found.kernel.digest}/${initrd}`);
    await shell(replace);
    await shell("umount /boot");
  }
  await shell("umount /mnt && sync");
}

interface Ended {
  readonly shell: GuestShell;
  /** The boots of the candidate, where they were counted. */
  readonly boots?: number;
}

/** @returns `undefined` where nothing leads back by itself: the candidate has started more often than it may */
async function follow(
  t: Test,
  vm: Vm,
  computer: LoaderComputer,
  candidate: Candidate,
  outcome: Outcome,
): Promise<Ended | undefined> {
  const limit = outcome === "never" ? TRIES + 1 : Number(outcome);
  let current = vm;
  switch (candidate) {
    case "panic":
      if (outcome !== "never") return { shell: await openShell(vm) };
      for (let boot = 0; boot < limit; boot += 1) {
        await vm.waitFor(/Kernel panic/, BOOT_TIMEOUT_MS);
        await vm.waitFor(STARTS_LOADER, BOOT_TIMEOUT_MS);
      }
      return undefined;
    case "hang":
      for (let boot = 0; boot < limit; boot += 1) {
        await current.waitFor(/end Kernel panic/, BOOT_TIMEOUT_MS);
        await current.stop();
        current = await computer.turnOn(t);
      }
      break;
    case "initramfs":
      for (let boot = 0; boot < limit; boot += 1) {
        const shell = await openShell(vm);
        await shell("test ! -e /run/dockroot/boot.json");
        await shell("dockroot confirm --automatic");
        t.match(await readCandidate(shell), { state: "candidate" });
        await resetFromShell(vm);
      }
      break;
    case "restart": {
      const shell = await openShell(vm);
      await shell(
        "until systemctl --quiet is-active dockroot-shutdown; do sleep 1; done",
      );
      t.match(await readBoot(shell), { result: "fresh", deployment: 2 });
      // Not before the bus is there.
      vm.debugConsole.send("until systemctl reboot; do sleep 1; done\r");
      await vm.waitFor(STARTS_LOADER, BOOT_TIMEOUT_MS);
      break;
    }
    case "no-init":
    case "exits":
    case "unit":
      return { shell: await openShell(vm) };
  }
  return outcome === "never"
    ? undefined
    : { shell: await openShell(current), boots: limit };
}

function countStarts(vm: Vm): number {
  return vm.output().split(STARTS_LOADER).length - 1;
}

function writeLines(lines: readonly string[], file: string): string {
  return `printf '%s\\n' ${lines.map((line) => `'${line}'`).join(" ")} >${file}`;
}

async function readBoot(shell: GuestShell): Promise<RootedBoot> {
  return JSON.parse(await shell("cat /run/dockroot/boot.json")) as RootedBoot;
}

/** Where the top level is at /mnt. */
async function readState(shell: GuestShell): Promise<Deployments> {
  return JSON.parse(await shell(`cat ${STATE}`)) as Deployments;
}

async function readCandidate(shell: GuestShell) {
  await shell("mount -o ro,subvolid=5 LABEL=linux /mnt");
  const { deployments } = await readState(shell);
  await shell("umount /mnt");
  const found = deployments[1];
  if (found === undefined) throw new Error("there is no candidate");
  return found;
}
