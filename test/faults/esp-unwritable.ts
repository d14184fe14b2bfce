import path from "node:path";
import type { Test } from "tap";
import { RESTART } from "../../installer/deploy/settle.ts";
import type { DeployMachine, DeployRun } from "./deploy-machine.ts";
import type { EspGuest } from "./esp-guest.ts";
import {
  judgeEsp,
  judgeEspSettled,
  lookAtEsp,
  type EspLoader,
  type EspSight,
} from "./esp-machine.ts";
import { judgeNext, judgeRun } from "./judge-deployments.ts";
import { createTally, wrong, type Problem } from "./tally.ts";

interface EspBench {
  readonly guest: EspGuest;
  /** For what is looked at. */
  readonly scratch: string;
  readonly loader: EspLoader;
}

/** A command that writes to the partition. */
interface EspCommand {
  /** The disk before it. */
  readonly former: string;
  readonly before: EspSight;
  readonly machine: DeployMachine;
  /** The arguments of dockroot. */
  readonly args: string;
}

/** Why the partition takes no writes. */
interface EspFault {
  /** Shell that runs in the guest before. */
  readonly before: string;
  /** Shell that the machine runs before the command. */
  readonly mount?: string;
  /** What the command says where it fails. */
  readonly says: RegExp;
  /** Shell that runs in the guest afterwards. */
  readonly after: string;
}

const fill = (esp: string, more = "") =>
  `mount ${esp} /mnt; dd if=/dev/zero of=/mnt/full bs=64K status=none; ${more} umount /mnt`;

const mount = (esp: string) => `mkdir -p /boot/efi; mount ${esp} /boot/efi`;

function faultsOf(esp: string) {
  return {
    full: {
      before: fill(
        esp,
        // What does not fit as a whole leaves room.
        "dd if=/dev/zero bs=512 status=none >>/mnt/full;",
      ),
      says: /there is no room on|cannot write /,
      after: `mount ${esp} /mnt; rm /mnt/full; umount /mnt`,
    },
    missing: {
      before: `dd if=${esp} of=/run/esp bs=1M status=none; wipefs -q -a ${esp}`,
      says: /no menu of systemd-boot was found/,
      after: `dd if=/run/esp of=${esp} bs=1M status=none; rm /run/esp`,
    },
    "write-protected": {
      before: `blockdev --setro ${esp}`,
      says: /cannot mount|read-only|write-protected/,
      after: `blockdev --setrw ${esp}`,
    },
    "mounted read-only": {
      ...{ before: "true", after: "true" },
      mount: `${mount(esp)} -o ro\n`,
      says: /mounted read-only/,
    },
  } satisfies Record<string, EspFault>;
}

/** Upgrades and confirms where the partition takes no writes, and where it has two entries of one deployment. */
export async function failUnwritable(
  t: Test,
  bench: EspBench,
  [upgrade, confirm]: readonly [EspCommand, EspCommand],
): Promise<void> {
  const tally = createTally();
  const count = (name: string, problems: readonly Problem[]) => {
    tally.count(t, name, problems);
  };
  await failToUpgrade(bench, upgrade, count);
  await failToConfirm(bench, confirm, count);
  await confirmTwins(bench, confirm, count);
  tally.record(t, "deployments: $BOOT cannot be written to");
}

type Count = (name: string, problems: readonly Problem[]) => void;

/** An upgrade changes nothing, and says why. */
async function failToUpgrade(
  bench: EspBench,
  upgrade: EspCommand,
  count: Count,
): Promise<void> {
  const { guest, loader } = bench;
  const { before, machine, args } = upgrade;
  const faults = faultsOf(guest.esp);
  const noRoom = {
    before: fill(guest.esp, "truncate -s -300K /mnt/full;"),
    says: /there is no room on/,
    after: faults.full.after,
  };
  const all = { ...faults, "full, but for the boot files": noRoom };
  for (const [name, fault] of Object.entries(all)) {
    const { sight, problems } = await fail(bench, upgrade, fault);
    const isSame = JSON.stringify(sight.state) === JSON.stringify(before.state);
    count(name, [
      ...problems,
      ...judgeEsp(loader, sight),
      ...judgeEspSettled(before, sight),
      ...(isSame ? [] : wrong(["the state is another one"])),
    ]);
  }
  await guest.insert(upgrade.former);
  const script = `${mount(guest.esp)}\ndockroot ${args}\n`;
  const ran = await guest.run(machine, script);
  const sight = await look(bench);
  count("mounted by the system", [
    ...judgeNext(ran),
    ...judgeEspSettled(before, sight),
    ...(sight.menu.next === 3
      ? []
      : wrong([`next is ${String(sight.menu.next)}`])),
  ]);
}

/** A confirmation holds, and says that the menu does not follow; the next one makes it follow. */
async function failToConfirm(
  bench: EspBench,
  confirm: EspCommand,
  count: Count,
): Promise<void> {
  for (const [name, fault] of Object.entries(faultsOf(bench.guest.esp))) {
    const { sight, problems } = await fail(bench, confirm, fault);
    const held = judgeConfirmed(sight, true);
    count(`${name}, to confirm`, [...problems, ...held]);
    count(`${name}, to confirm again`, await confirmAgain(bench, confirm));
  }
}

/** An entry with a counter and one without it, of one deployment, become one. */
async function confirmTwins(
  bench: EspBench,
  confirm: EspCommand,
  count: Count,
): Promise<void> {
  const { guest } = bench;
  const { "mounted read-only": readOnly } = faultsOf(guest.esp);
  const entry = "/mnt/loader/entries/dockroot_docker_rwlayer-3-1";
  const copy = `sed 's/${RESTART.join(" ")} //' ${entry}+*.conf >${entry}.conf`;
  for (const isConfirmed of [false, true]) {
    if (isConfirmed) await fail(bench, confirm, readOnly);
    else await guest.insert(confirm.former);
    await guest.shell(`mount ${guest.esp} /mnt; ${copy}; umount /mnt`);
    count(
      `twins of ${isConfirmed ? "a good one" : "a candidate"}`,
      await confirmAgain(bench, confirm),
    );
  }
}

async function confirmAgain(
  bench: EspBench,
  { machine, before, args }: EspCommand,
): Promise<Problem[]> {
  const ran = await bench.guest.run(machine, `dockroot ${args}\n`);
  const sight = await look(bench);
  return [
    ...judgeNext(ran),
    ...judgeEsp(bench.loader, sight),
    ...judgeEspSettled(before, sight),
    ...judgeConfirmed(sight, false),
  ];
}

async function fail(
  bench: EspBench,
  { former, machine, args }: EspCommand,
  { before, mount = "", says, after }: EspFault,
): Promise<{ readonly sight: EspSight; readonly problems: Problem[] }> {
  const { guest } = bench;
  await guest.insert(former);
  await guest.shell(before);
  const ran = await guest.run(machine, `${mount}dockroot ${args}\n`);
  await guest.shell(after);
  return { sight: await look(bench), problems: judgeRefusal(ran, says) };
}

async function look({ guest, scratch, loader }: EspBench): Promise<EspSight> {
  const disk = path.join(scratch, "looked");
  await guest.copyTo(disk);
  return lookAtEsp(disk, loader);
}

function judgeRefusal(ran: DeployRun, says: RegExp): Problem[] {
  const [{ status = undefined, said } = { said: "" }] = ran.tries;
  return [
    ...judgeRun(ran),
    ...(status === 1 && says.test(said) ? [] : wrong([ran.said])),
  ];
}

/** @param isCounted whether the menu has it still as one that is not confirmed */
function judgeConfirmed(
  { state, menu }: EspSight,
  isCounted: boolean,
): Problem[] {
  const found = state?.deployments.find(({ n }) => n === 3);
  const entries = menu.entries.filter(({ n }) => n === 3);
  return wrong([
    ...(found?.state === "good" ? [] : [`3 is ${String(found?.state)}`]),
    ...(entries.length === 1
      ? []
      : [`it has ${String(entries.length)} entries`]),
    ...entries
      .filter(
        ({ tries, options }) =>
          (tries !== null) !== isCounted ||
          options.includes("panic=") !== isCounted,
      )
      .map(({ options }) => `its entry is not as it is to be: ${options}`),
  ]);
}
