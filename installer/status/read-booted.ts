import path from "node:path";
import { BootError, systemErrorCode } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { BOOT_RECORD } from "../../runtime/records/boot-record.ts";
import { parseBooted, type ParsedBoot } from "./formats/parse-booted.ts";

const MAX_RECORD_BYTES = 1024 * 1024;

/**
 * Reads `<runDirectory>/boot.json`, as far as it makes sense.
 * @throws BootError NOTHING_BOOTED where there is none, FILE_UNREADABLE where it tells nothing
 */
export function readBooted(host: Host, runDirectory: string): ParsedBoot {
  const file = path.join(runDirectory, BOOT_RECORD);
  const text = readRecord(host, file);
  if (text === undefined) {
    throw new BootError(
      "NOTHING_BOOTED",
      `there is no ${file}: dockroot did not boot this system`,
      {
        hint: "Was the initramfs made with dockroot's hook, and does the boot menu entry use that one? dmesg | grep dockroot",
      },
    );
  }
  try {
    return parseBooted(text);
  } catch (cause) {
    throw new BootError("FILE_UNREADABLE", `${file} is damaged`, {
      cause,
      hint: "The kernel log may tell what booted: dmesg | grep dockroot",
    });
  }
}

function readRecord(host: Host, file: string): string | undefined {
  try {
    return host.files.readText(file, MAX_RECORD_BYTES);
  } catch (cause) {
    if (systemErrorCode(causeOf(cause)) !== "EACCES") throw cause;
    throw new BootError("FILE_UNREADABLE", `not everybody may read ${file}`, {
      hint: "Run it with sudo: sudo dockroot status",
    });
  }
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}
