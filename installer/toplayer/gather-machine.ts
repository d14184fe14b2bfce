import type { Host } from "../../runtime/host/host.ts";
import { readAccounts } from "../system/read-accounts.ts";
import { isMachineId } from "../system/formats/machine-id.ts";
import type { AccountTexts } from "./plan/merge-accounts.ts";

/** What a top layer keeps of the running system. */
export interface Machine {
  readonly fstab: string | undefined;
  readonly hostname: string;
  /** `undefined` where it has none that lasts. */
  readonly machineId: string | undefined;
  readonly accounts: AccountTexts | undefined;
}

const MAX_TEXT_BYTES = 1024 * 1024;

/** @throws BootError FILE_UNREADABLE */
export function gatherMachine(host: Host): Machine {
  const read = (file: string) => host.readText(file, MAX_TEXT_BYTES);
  const machineId = read("/etc/machine-id");
  return {
    fstab: read("/etc/fstab"),
    hostname:
      firstLine(read("/etc/hostname")) ??
      firstLine(read("/proc/sys/kernel/hostname")) ??
      "localhost",
    machineId:
      machineId !== undefined && isMachineId(machineId) ? machineId : undefined,
    accounts: readAccounts(host, host.path("/")),
  };
}

/** @see https://www.freedesktop.org/software/systemd/man/latest/hostname.html */
function firstLine(text: string | undefined): string | undefined {
  return text
    ?.split("\n")
    .map((line) => line.trim())
    .find((line) => line !== "" && !line.startsWith("#"));
}
