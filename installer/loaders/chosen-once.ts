import path from "node:path";
import { readBytesIn } from "../../runtime/host/follow-in.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { BootPlace } from "./boot-place.ts";
import { readLoaderVariable } from "./efi-variables.ts";
import { findInFirmware, readBootNext } from "./firmware-menu.ts";
import { parseEntryFile } from "./formats/deployment-files.ts";
import { nameDeployment } from "./formats/deployment-names.ts";

/** An entry that somebody has chosen for one boot: it goes before what starts by itself. */
export interface ChosenOnce {
  readonly name: string;
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
  switch (place.loader.name) {
    case "systemd-boot":
    case "limine": {
      // https://systemd.io/BOOT_LOADER_INTERFACE/
      const name = readLoaderVariable(host, "LoaderEntryOneShot") ?? "";
      const isNext = parseEntryFile(rwlayer, name)?.n === next;
      return describe(name, isNext, 'bootctl set-oneshot ""');
    }
    case "grub": {
      const name = readNextEntry(host, place);
      const isNext = next !== null && name === nameDeployment(rwlayer, next);
      return describe(name, isNext, "grub-editenv - unset next_entry");
    }
    case "efistub": {
      const number = readBootNext(host);
      if (number === undefined) return undefined;
      const isNext = findInFirmware(host, rwlayer, number) === next;
      return describe(`Boot${number}`, isNext, "efibootmgr --delete-bootnext");
    }
    case "refind":
      return undefined;
  }
}

function describe(
  name: string,
  isNext: boolean,
  takeBack: string,
): ChosenOnce | undefined {
  return name === "" || isNext ? undefined : { name, takeBack };
}

/** What grub-reboot has written. */
function readNextEntry(host: Host, { menuTop, config }: BootPlace): string {
  const file = path.join(path.dirname(config), "grubenv");
  const bytes = readBytesIn(host, menuTop, file, MAX_GRUBENV_BYTES);
  const text = bytes?.toString("utf8") ?? "";
  return /^next_entry=(.*)$/m.exec(text)?.[1] ?? "";
}
