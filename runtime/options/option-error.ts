import { BootError } from "../base/errors.ts";

/** An option that cannot be used. */
export function invalidOption(message: string, hint: string): BootError {
  return new BootError("INVALID_OPTION", message, { hint });
}
