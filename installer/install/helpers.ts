import type { Host } from "../../runtime/host/host.ts";

/** A program that dockroot calls, as it is here. */
export interface HelperStatus {
  readonly name: string;
  /** `undefined` where it is absent or does not tell. */
  readonly version: string | undefined;
  /** What is wrong with it. */
  readonly problem: string | undefined;
  readonly remedy: string | undefined;
}

/** Looks at each program that the initramfs is to get from this system. */
export function checkHelpers(_host: Host): Promise<readonly HelperStatus[]> {
  return Promise.resolve([]);
}
