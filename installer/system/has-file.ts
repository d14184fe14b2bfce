import type { Host } from "../../runtime/host/host.ts";

/** Whether something stands there, a link to nowhere excluded. */
export function hasFile(host: Host, absolute: string): boolean {
  return host.files.statusOfTarget(host.path(absolute)) !== undefined;
}
