import path from "node:path";
import { BootError } from "../../../runtime/host/errors.ts";
import type { Host } from "../../../runtime/host/host.ts";
import { BOOT_RECORD } from "../../../runtime/report.ts";
import { parseBooted, type ParsedBoot } from "./parse-booted.ts";

const MAX_RECORD_BYTES = 1024 * 1024;

/**
 * Reads `<runDirectory>/boot.json`, as far as it makes sense.
 * @throws BootError NOTHING_BOOTED where there is none, FILE_UNREADABLE where it tells nothing
 */
export function readBooted(host: Host, runDirectory: string): ParsedBoot {
  const file = path.join(runDirectory, BOOT_RECORD);
  const start = host.files.readStart(file, MAX_RECORD_BYTES);
  if (start === undefined) {
    throw new BootError(
      "NOTHING_BOOTED",
      `there is no ${file}: dockroot did not boot this system`,
      {
        hint: "Was the initramfs made with dockroot's hook, and does the boot menu entry use that one? dmesg | grep dockroot",
      },
    );
  }
  try {
    if (!start.isWhole) {
      throw new BootError("FILE_UNREADABLE", "it is too large");
    }
    return parseBooted(start.bytes.toString("utf8"));
  } catch (cause) {
    throw new BootError("FILE_UNREADABLE", `${file} is damaged`, {
      cause,
      hint: "The kernel log may tell what booted: dmesg | grep dockroot",
    });
  }
}
