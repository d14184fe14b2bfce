import path from "node:path";
import type { Host } from "../../runtime/host/host.ts";
import { decodeEfiText } from "./formats/load-option.ts";

export const EFI_VARIABLES = "/sys/firmware/efi/efivars";

/** @see https://systemd.io/BOOT_LOADER_INTERFACE/ */
const LOADER_VENDOR = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";

/** @see https://uefi.org/specs/UEFI/2.10/03_Boot_Manager.html#globally-defined-variables */
export const FIRMWARE_VENDOR = "8be4df61-93ca-11d2-aa0d-00e098032b8c";

/** The attributes, with which the kernel begins each file. */
export const ATTRIBUTES_BYTES = 4;

const MAX_BYTES = 64 * 1024;

/** @returns `undefined` where there is no such variable, or no EFI @throws BootError FILE_UNREADABLE */
export function readEfiVariable(
  host: Host,
  name: string,
  vendor: string,
): Buffer | undefined {
  const file = path.join(EFI_VARIABLES, `${name}-${vendor}`);
  return host.files
    .readBytes(host.path(file), MAX_BYTES)
    ?.subarray(ATTRIBUTES_BYTES);
}

/** What the boot loader has told of itself, or is told. */
export function readLoaderVariable(
  host: Host,
  name: string,
): string | undefined {
  const value = readEfiVariable(host, name, LOADER_VENDOR);
  return value && decodeEfiText(value);
}
