import path from "node:path";
import { followIn } from "../../runtime/host/follow-in.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { BootPlace } from "./boot-place.ts";
import { readConfig } from "./find-loaders.ts";

/** A file of the menu: links in it lead nowhere else than within its filesystem. */
export function within(host: Host, top: string, file: string): string {
  return followIn(host, top, file) ?? path.join(top, file);
}

/** The text of a file of the menu; `""` where there is none. */
export function readWithin(
  host: Host,
  { loader, menuTop }: BootPlace,
  file: string,
): string {
  return readConfig(host, loader.name, within(host, menuTop, file)) ?? "";
}

export async function syncMenu(host: Host, top: string): Promise<void> {
  await host.run(["sync", "-f", top]);
}
