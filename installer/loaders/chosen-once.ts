import path from "node:path";
import { BootError } from "../../runtime/base/errors.ts";
import { asFailureOf } from "../../runtime/base/failure.ts";
import { readBytesIn } from "../../runtime/host/follow-in.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { BootPlace } from "./boot-place.ts";
import { readLoaderVariable } from "./efi-variables.ts";
import {
  chooseInFirmware,
  findInFirmware,
  readBootNext,
} from "./firmware-menu.ts";
import { nameEntryFile, parseEntryFile } from "./formats/deployment-files.ts";
import {
  nameDeployment,
  parseDeploymentName,
} from "./formats/deployment-names.ts";
import {
  canGrubWrite,
  findGrubOnce,
  GRUB_ENV,
  putGrubOnce,
  readVariable,
} from "./formats/grub-counter.ts";
import { changeConfig } from "./write-entry.ts";

/** An entry that somebody has chosen for one boot: it goes before what starts by itself. */
export interface ChosenOnce {
  readonly name: string;
  /** The deployment whose entry it is; `undefined` where it is none of the rwlayer's. */
  readonly n: number | undefined;
  /** The command that takes the choice back. */
  readonly takeBack: string;
}

const MAX_GRUBENV_BYTES = 64 * 1024;

/**
 * @param next the number of the deployment that starts by itself
 * @returns `undefined` where nothing was chosen, or that deployment
 * @throws BootError FILE_UNREADABLE
 */
export function readChosenOnce(
  host: Host,
  place: BootPlace,
  rwlayer: string,
  next: number | null,
): ChosenOnce | undefined {
  const describe = (
    name: string,
    n: number | undefined,
    takeBack: string,
  ): ChosenOnce | undefined =>
    name === "" || n === (next ?? 0) ? undefined : { name, n, takeBack };
  switch (place.loader.name) {
    case "systemd-boot":
    case "limine": {
      // https://systemd.io/BOOT_LOADER_INTERFACE/
      const name = readLoaderVariable(host, "LoaderEntryOneShot") ?? "";
      const n = parseEntryFile(rwlayer, name)?.n;
      return describe(name, n, 'bootctl set-oneshot ""');
    }
    case "grub": {
      // What grub-reboot has written goes before ours.
      const theirs = readVariable(
        readEnv(host, place, "grubenv"),
        "next_entry",
      );
      const name = theirs || findGrubOnce(readEnv(host, place, GRUB_ENV));
      const n = parseDeploymentName(rwlayer, name);
      return describe(name, n, "grub-editenv - unset next_entry");
    }
    case "efistub": {
      const number = readBootNext(host);
      if (number === undefined) return undefined;
      const n = findInFirmware(host, rwlayer, number);
      return describe(`Boot${number}`, n, "efibootmgr --delete-bootnext");
    }
    case "refind":
      return undefined;
  }
}

/**
 * Why its menu cannot boot an entry once; `undefined` where it can.
 * @param isCounted whether what boots next starts once itself, until it is confirmed
 */
export function whyNeverOnce(
  { loader, menuFilesystem }: Pick<BootPlace, "loader" | "menuFilesystem">,
  isCounted: boolean,
): string | undefined {
  switch (loader.name) {
    case "systemd-boot":
      return undefined;
    case "efistub":
      return isCounted
        ? "the firmware has a choice for one boot already: what boots next is not confirmed"
        : undefined;
    case "grub":
      return canGrubWrite(menuFilesystem)
        ? undefined
        : `GRUB cannot take back such a choice: it does not write to ${menuFilesystem.device}`;
    case "limine":
      return "the names of Limine's entries depend on its version";
    case "refind":
      return "rEFInd knows no choice for one boot";
  }
}

/**
 * Chooses the deployment for the next boot alone. Choices of other entries stay, where nothing is chosen.
 * @param n it has an entry that is not counted; `undefined`: no deployment
 * @throws BootError STEP_FAILED, HELPER_MISSING
 */
export async function writeChosenOnce(
  host: Host,
  place: BootPlace,
  rwlayer: string,
  next: number,
  n: number | undefined,
): Promise<void> {
  const present = readChosenOnce(host, place, rwlayer, next);
  if (n === present?.n) return;
  switch (place.loader.name) {
    case "systemd-boot": {
      const name = n === undefined ? "" : nameEntryFile(rwlayer, n, null);
      try {
        await host.run(["bootctl", "set-oneshot", name]);
      } catch (error) {
        throw asFailureOf("choose what systemd-boot boots once", error);
      }
      break;
    }
    case "grub": {
      const { menuTop, config } = place;
      const id = n === undefined ? undefined : nameDeployment(rwlayer, n);
      const file = path.join(menuTop, path.dirname(config), GRUB_ENV);
      changeConfig(host, { loader: "grub", file, rwlayer }, (former) =>
        putGrubOnce(former, id),
      );
      await host.run(["sync", "-f", menuTop]);
      break;
    }
    case "efistub": {
      await chooseInFirmware(host, rwlayer, n);
      break;
    }
    case "limine":
    case "refind":
      return;
  }
  const chosen = readChosenOnce(host, place, rwlayer, next);
  if (n === undefined || chosen?.n === n) return;
  throw new BootError(
    "STEP_FAILED",
    `${place.loader.title} would boot ${chosen?.name ?? "something else"} next, and not deployment ${String(n)}`,
    {
      hint:
        chosen === undefined
          ? undefined
          : `Somebody has chosen that: ${chosen.takeBack}.`,
    },
  );
}

function readEnv(
  host: Host,
  { menuTop, config }: BootPlace,
  name: string,
): string {
  const file = path.join(path.dirname(config), name);
  const bytes = readBytesIn(host, menuTop, file, MAX_GRUBENV_BYTES);
  return bytes?.toString("utf8") ?? "";
}
