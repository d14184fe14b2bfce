import type { Host } from "../../runtime/host/host.ts";
import { findEntries } from "../loaders/find-loaders.ts";
import { isForDockroot } from "../loaders/formats/boot-loader.ts";
import { findStore } from "../system/find-store.ts";
import { hasEngine } from "./gather-tree.ts";
import { readSystemConfigs } from "../system/system-configs.ts";
import { checkHelpers } from "../install/helpers.ts";
import type {
  DoctorFacts,
  SystemPlace,
  ConfigFacts,
  BootRoom,
  BootsNextFacts,
  StartFacts,
} from "./rules/facts.ts";
import type { Generator } from "../generators/generator.ts";
import { GRUB_SCRIPTS } from "../loaders/formats/grub.ts";
import type { FoundEntry } from "../loaders/formats/boot-loader.ts";
import { gatherStarts } from "./gather-starts.ts";
import { gatherTarget } from "./gather-target.ts";
import {
  gatherBootsNext,
  nameOn,
  NO_DISKS,
  withBootDisks,
  type BootDisks,
} from "./gather-boots-next.ts";
import { createInitramfsLook, type Look } from "./gather-entries.ts";
import { readKernelRelease } from "../../runtime/host/machine.ts";
import { parseMountinfo, readMounts } from "../../runtime/disk/mounts.ts";
import {
  parseConfig,
  type ConfigSource,
} from "../../runtime/options/config.ts";
import { describeFailure } from "../../runtime/base/failure.ts";
import { gatherConfig } from "../../runtime/boot/gather-options.ts";
import { BootError } from "../../runtime/base/errors.ts";
import { BOOT_DIRECTORIES } from "../system/formats/kernel-files.ts";
import { locate } from "../system/formats/fstab.ts";

const MAX_CMDLINE_BYTES = 64 * 1024;

/**
 * Looks at all that a boot depends on; changes nothing.
 * @param image instead of the one that the options name
 * @throws BootError
 */
export function gatherDoctorFacts(
  host: Host,
  generators: readonly Generator[],
  image: string | undefined,
): Promise<DoctorFacts> {
  const place = readPlace(host);
  const gather = (disks: BootDisks) =>
    gatherFacts(host, generators, image, place, disks);
  return place.kind === "running"
    ? withBootDisks(host, gather)
    : gather(NO_DISKS);
}

async function gatherFacts(
  host: Host,
  generators: readonly Generator[],
  image: string | undefined,
  place: SystemPlace,
  disks: BootDisks,
): Promise<DoctorFacts> {
  const { entries: all, unreadable } = findEntries(host, (file) =>
    nameOn(disks, file),
  );
  const cmdline = host.readText("/proc/cmdline", MAX_CMDLINE_BYTES) ?? "";
  const config = readConfigFacts(host);
  const look: Look = {
    host,
    generators,
    lookInto: createInitramfsLook(host, generators),
    hasDisks: place.kind === "running",
    config: config.source,
    image,
  };
  const { entries, notInGrub } = splitGrubScripts(
    all.filter(({ options }) => isForDockroot(options)),
  );
  const isOurs = look.hasDisks && isForDockroot(cmdline);
  const starts = await gatherStarts(look, [
    ...(isOurs ? [{ cmdline, entry: undefined, image }] : []),
    ...entries.map((entry) => ({ cmdline: entry.options, entry, image })),
  ]);
  const bootsNext = await gatherBootsNext(host, disks, starts);
  const saysWhich = starts.some(({ outcome }) =>
    ["planned", "failed", "generation"].includes(outcome.kind),
  );
  const stands = (file: string) =>
    host.files.statusOf(host.path(file)) !== undefined;
  const hasEngineHere = (program: "docker" | "podman", configFile: string) =>
    hasEngine(program, stands) || stands(configFile);
  const target =
    saysWhich && look.hasDisks ? undefined : await gatherTarget(look);
  const isBtrfs = [
    look.hasDisks && target?.storeFsType,
    ...starts.map(({ outcome }) =>
      outcome.kind === "planned" ? outcome.disk.fsType : undefined,
    ),
  ].includes("btrfs");
  return {
    place,
    config,
    menus: {
      ...{ entryCount: all.length, unreadable, notInGrub },
      unseen: disks.unseen,
    },
    starts,
    target,
    engines: readSystemConfigs(host),
    hasEngine: {
      docker: hasEngineHere("docker", "/etc/docker/daemon.json"),
      podman: hasEngineHere("podman", "/etc/containers/storage.conf"),
    },
    hasImages: hasImages(host),
    helpers: await checkHelpers(host, isBtrfs),
    bootRooms: gatherBootRooms(host, disks, starts, bootsNext),
    bootsNext,
  };
}

function hasImages(host: Host): boolean {
  try {
    findStore(host, { directory: undefined, kind: undefined });
    return true;
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    return error.code === "STORE_AMBIGUOUS";
  }
}

/** The kernel's own PID namespace (PROC_PID_INIT_INO in include/linux/proc_ns.h). */
const FIRST_PID_NAMESPACE = "pid:[4026531836]";

const MAX_MOUNTINFO_BYTES = 16 * 1024 * 1024;

/**
 * Whether this is the system that the kernel has booted: its processes are not in a namespace of their
 * own, as those of a container are, and its root is that of process 1, as a chroot's is not.
 */
function readPlace(host: Host): SystemPlace {
  const namespace = host.path("/proc/self/ns/pid");
  const own = rootOf(host, "self");
  const isRunning =
    host.files.statusOf(namespace)?.kind === "symlink" &&
    host.files.linkTarget(namespace) === FIRST_PID_NAMESPACE &&
    own !== undefined &&
    own === rootOf(host, "1");
  return isRunning
    ? { kind: "running", kernelRelease: readKernelRelease(host) }
    : { kind: "elsewhere" };
}

/** What a process has as `/`; `undefined` where that is no mount point. */
function rootOf(host: Host, process: string): string | undefined {
  const file = `/proc/${process}/mountinfo`;
  const mounts = parseMountinfo(host.readText(file, MAX_MOUNTINFO_BYTES) ?? "");
  const root = mounts.findLast(({ mountPoint }) => mountPoint === "/");
  return root === undefined ? undefined : `${root.device} ${root.root}`;
}

/** What the configuration here says, or why it says nothing. */
function readConfigFacts(host: Host): ConfigFacts {
  const warnings: string[] = [];
  let source: ConfigSource | undefined;
  try {
    source = gatherConfig(host);
    const image = parseConfig(source, warnings).get("docker_image");
    return { source, failure: undefined, warnings, image };
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    const failure = describeFailure(error);
    return { source, failure, warnings, image: undefined };
  }
}

/** The boot partitions: what is mounted where they usually are, and where kernels of entries were found. */
function gatherBootRooms(
  host: Host,
  disks: BootDisks,
  starts: readonly StartFacts[],
  bootsNext: BootsNextFacts | undefined,
): BootRoom[] {
  const mounts = readMounts(host);
  const largest = new Map<string, number>();
  for (const { mountPoint } of mounts) {
    if (BOOT_DIRECTORIES.includes(mountPoint)) largest.set(mountPoint, 0);
  }
  for (const { kernel, initrds } of starts.flatMap(({ entries }) => entries)) {
    const files = [kernel, ...initrds]
      .flatMap((named) => named?.file ?? [])
      .filter(
        (file) => host.files.statusOfTarget(host.path(file)) !== undefined,
      )
      .map((file) => host.files.realPath(host.path(file)));
    const sizes = new Map<string, number>();
    for (const real of new Set(files)) {
      const mount = locate(mounts, real)?.mount;
      // The image store's own filesystem is looked at elsewhere.
      if (mount === undefined || mount.fsType === "btrfs") continue;
      const { mountPoint } = mount;
      const sizeBytes = host.files.statusOf(real)?.sizeBytes ?? 0;
      sizes.set(mountPoint, (sizes.get(mountPoint) ?? 0) + sizeBytes);
    }
    for (const [mountPoint, sizeBytes] of sizes) {
      const known = largest.get(mountPoint) ?? 0;
      largest.set(mountPoint, Math.max(known, sizeBytes));
    }
  }
  const rooms = [...largest].map(([mountPoint, largestBytes]) => ({
    mountPoint: nameOn(disks, mountPoint),
    largestBytes,
    room: host.files.roomAt(host.path(mountPoint)),
  }));
  if (bootsNext?.kind !== "read") return rooms;
  // No boot files come to the others.
  const used = rooms.filter(({ largestBytes }) => largestBytes > 0);
  const { room } = bootsNext;
  const isListed = used.some(
    ({ mountPoint }) => mountPoint === room?.mountPoint,
  );
  return room === undefined || isListed ? used : [...used, room];
}

/**
 * Entries of /etc/grub.d come into grub.cfg when that is made anew: those that it has count once.
 * @returns the entries that boot loaders read, and those that none reads yet
 */
export function splitGrubScripts(all: readonly FoundEntry[]): {
  entries: readonly FoundEntry[];
  notInGrub: readonly FoundEntry[];
} {
  const isScript = ({ file }: FoundEntry) =>
    file.startsWith(`${GRUB_SCRIPTS}/`);
  const entries = all.filter((entry) => !isScript(entry));
  const known = new Set(
    entries.filter(({ loader }) => loader === "grub").map(keyOf),
  );
  return {
    entries,
    notInGrub: all.filter(isScript).filter((entry) => !known.has(keyOf(entry))),
  };
}

function keyOf({ title, options }: FoundEntry): string {
  return JSON.stringify([title, options]);
}
