import type { Host } from "../../runtime/host/host.ts";
import { findEntries } from "../loaders/find-entries.ts";
import { speaksOfDockroot } from "../loaders/formats/speaks-of-dockroot.ts";
import { readSystemConfigs } from "../system/system-configs.ts";
import { checkHelpers } from "../install/helpers.ts";
import type { DoctorFacts } from "./rules/facts.ts";
import type { Generator } from "../generators/generator.ts";
import { splitGrubScripts } from "./rules/split-grub-scripts.ts";
import type { Start } from "./rules/start.ts";
import { gatherBootRooms } from "./gather-boot-rooms.ts";
import { gatherStarts } from "./gather-starts.ts";
import { gatherTarget } from "./gather-target.ts";
import { createInitramfsLook } from "./look-into-initramfs.ts";
import { readConfigFacts } from "./read-config-facts.ts";
import { readPlace } from "./read-place.ts";

const MAX_CMDLINE_BYTES = 64 * 1024;

/**
 * Looks at all that a start depends on; changes nothing.
 * @param image instead of the one that the options name
 * @throws BootError
 */
export async function gatherDoctorFacts(
  host: Host,
  generators: readonly Generator[],
  image: string | undefined,
): Promise<DoctorFacts> {
  const place = readPlace(host);
  const lookInto = createInitramfsLook(host, generators);
  const { entries: all, unreadable } = findEntries(host);
  const cmdline = host.readText("/proc/cmdline", MAX_CMDLINE_BYTES) ?? "";
  const config = readConfigFacts(host);
  const isOurs = place.kind === "running" && speaksOfDockroot(cmdline);
  const { entries, notInGrub } = splitGrubScripts(
    all.filter(({ options }) => speaksOfDockroot(options)),
  );
  const starts: Start[] = [
    ...(isOurs ? [{ cmdline, entry: undefined, image }] : []),
    ...entries.map((entry) => ({ cmdline: entry.options, entry, image })),
  ];
  const hasDisks = place.kind === "running";
  const found = await gatherStarts(
    { host, generators, lookInto, hasDisks, config: config.source },
    starts,
  );
  const saysWhich = found.some(({ outcome }) =>
    ["planned", "failed", "generation"].includes(outcome.kind),
  );
  return {
    place,
    config,
    menus: { entryCount: all.length, unreadable, notInGrub },
    starts: found,
    target:
      saysWhich && hasDisks
        ? undefined
        : await gatherTarget({ host, generators, lookInto, image }, place),
    engines: readSystemConfigs(host),
    helpers: await checkHelpers(host),
    bootRooms: gatherBootRooms(host, found),
  };
}
