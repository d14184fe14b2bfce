import { systemErrorCode } from "../../../runtime/base/errors.ts";

/** What to do where the system refuses to write. */
export function remedyOf(error: unknown): string {
  if (isFull(error)) return "Make room on that disk, and try again.";
  if (systemErrorCode(error) === "EROFS") {
    return "Mount it so that it takes writes, and try again.";
  }
  return "Correct that and try again. The kernel log may say more: dmesg | tail.";
}

export function isFull(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT"].includes(systemErrorCode(error) ?? "");
}
