import { BootError } from "../../runtime/base/errors.ts";
import { asFailureOf } from "../../runtime/base/failure.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { FoundEntry, NewEntry } from "./formats/boot-loader.ts";
import {
  findDeployment,
  nameDeployment,
  toDeployment,
  type DeploymentMenu,
  type ReadDeployment,
} from "./formats/deployment-names.ts";
import { efibootmgrFlags } from "./formats/efistub.ts";
import { parseBootOrder } from "./formats/load-option.ts";
import { FIRMWARE_VENDOR, readEfiVariable } from "./efi-variables.ts";
import { firmwareEntries, readMenus } from "./find-loaders.ts";

/** One of ours among the firmware's. */
interface OwnEntry extends ReadDeployment {
  /** Four hexadecimal digits. */
  readonly number: string;
}

/**
 * What the firmware's own menu has of the rwlayer's deployments.
 * @param once what boots next where it is to be started once
 * @throws BootError FILE_UNREADABLE
 */
export function readFirmwareMenu(
  host: Host,
  rwlayer: string,
  once: number | undefined,
): DeploymentMenu {
  const own = listOwn(host, rwlayer);
  const chosen = readBootNext(host);
  const isOnce = own.some(({ n, number }) => n === once && number === chosen);
  const [first] = readBootOrder(host);
  return {
    entries: own.map(({ number: _, ...entry }) => entry),
    next: isOnce ? once : own.find(({ number }) => number === first)?.n,
  };
}

/** Which of the rwlayer's deployments an entry of the firmware's boots. */
export function findInFirmware(
  host: Host,
  rwlayer: string,
  number: string,
): number | undefined {
  return listOwn(host, rwlayer).find((own) => own.number === number)?.n;
}

/** What the firmware starts next, before the order: it forgets that with the start. */
export function readBootNext(host: Host): string | undefined {
  return readNumbers(host, "BootNext")[0];
}

/** Has the firmware start a deployment next, or what its order says. @throws BootError STEP_FAILED, HELPER_MISSING */
export async function chooseInFirmware(
  host: Host,
  rwlayer: string,
  n: number | undefined,
): Promise<void> {
  const own = listOwn(host, rwlayer).find((each) => each.n === n);
  await changeFirmware(
    host,
    own === undefined ? ["--delete-bootnext"] : ["--bootnext", own.number],
  );
}

function listOwn(host: Host, rwlayer: string): OwnEntry[] {
  const menus = firmwareEntries((directory) =>
    host.files.namesIn(host.path(directory)),
  );
  return readMenus(host, menus).entries.flatMap((entry) => {
    const found = findDeployment(entry.options);
    return found?.rwlayer === rwlayer
      ? [{ ...toDeployment(found.n, entry), number: numberOf(entry) }]
      : [];
  });
}

function isSame(own: OwnEntry, entry: NewEntry, rwlayer: string): boolean {
  const { number: _, n, ...read } = own;
  const { n: _n, ...wanted } = toDeployment(n, entry);
  return (
    nameDeployment(rwlayer, n) === entry.id &&
    JSON.stringify(read) === JSON.stringify(wanted)
  );
}

function numberOf({ file }: FoundEntry): string {
  return /Boot([\dA-F]{4})-/.exec(file)?.[1] ?? "";
}

function readBootOrder(host: Host): string[] {
  return readNumbers(host, "BootOrder");
}

function readNumbers(host: Host, name: string): string[] {
  const value = readEfiVariable(host, name, FIRMWARE_VENDOR);
  return value === undefined ? [] : parseBootOrder(value);
}

/** Changes the firmware's variables. @throws BootError STEP_FAILED, HELPER_MISSING */
async function changeFirmware(
  host: Host,
  flags: readonly string[],
): Promise<void> {
  try {
    await host.run(["efibootmgr", "--quiet", ...flags]);
  } catch (error) {
    throw asFailureOf("change the firmware's boot menu", error);
  }
}

/**
 * As `writeDeploymentMenu`. Others keep their order, after ours.
 * @param fallback what starts by itself where `next` is to be started once
 * @throws BootError STEP_FAILED, HELPER_MISSING
 */
export async function writeFirmwareMenu(
  host: Host,
  rwlayer: string,
  entries: readonly NewEntry[],
  next: NewEntry,
  fallback: NewEntry | undefined,
): Promise<void> {
  const call = (...flags: readonly string[]) => changeFirmware(host, flags);
  const findNumber = (entry: NewEntry) =>
    listOwn(host, rwlayer).find((own) => isSame(own, entry, rwlayer))?.number;
  const numbers = new Map<NewEntry, string>();
  for (const entry of entries) {
    if (findNumber(entry) === undefined) {
      await call("--create-only", ...efibootmgrFlags(entry));
    }
    const number = findNumber(entry);
    if (number === undefined) {
      throw new BootError(
        "STEP_FAILED",
        `the firmware did not keep the entry ${entry.title}`,
        { hint: "Its memory may be full: efibootmgr lists entries to delete." },
      );
    }
    numbers.set(entry, number);
  }
  const kept = [...numbers.values()];
  const dropped = listOwn(host, rwlayer)
    .map(({ number }) => number)
    .filter((number) => !kept.includes(number));
  const order = [
    ...new Set([
      numbers.get(fallback ?? next),
      ...kept,
      ...readBootOrder(host),
    ]),
  ].filter((number) => number !== undefined && !dropped.includes(number));
  await call("--bootorder", order.join(","));
  const number = numbers.get(next) ?? "";
  if (fallback !== undefined) await call("--bootnext", number);
  else if (readBootNext(host) === number) await call("--delete-bootnext");
  for (const number of dropped) {
    await call("--bootnum", number, "--delete-bootnum");
  }
}
