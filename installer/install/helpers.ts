import path from "node:path";
import { BootError, HelperError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { hasFile } from "../system/has-file.ts";
import { NotRunError } from "../system/tree-host.ts";
import {
  BTRFS_HELPER,
  readProgramVersion,
  judgeVersion,
  uncheckedOf,
  type HelperStatus,
  type Requirement,
} from "./plan/helper-version.ts";

/**
 * What dockroot's own work in the initramfs needs. Versions: `btrfs property set -f` came with 5.14.2,
 * `sync -f` with coreutils 8.24, `umount --recursive` with util-linux 2.23, `flock --no-fork` with
 * 2.29, `setpriv --pdeathsig` with 2.33; busybox has neither of the last two.
 */
const REQUIREMENTS: readonly Requirement[] = [
  { name: BTRFS_HELPER, project: "btrfs-progs", minimum: "5.14.2" },
  { name: "mount", project: "util-linux", minimum: "2.23" },
  { name: "umount", project: "util-linux", minimum: "2.23" },
  { name: "blkid", project: "util-linux", minimum: "2.23" },
  { name: "flock", project: "util-linux", minimum: "2.29" },
  { name: "setpriv", project: "util-linux", minimum: "2.33" },
  { name: "cp", project: "GNU coreutils", minimum: "8.24" },
  { name: "sync", project: "GNU coreutils", minimum: "8.24" },
  { name: "cat", project: "GNU coreutils", minimum: "8.24" },
];

/** No such program is as large; one file for all of GNU's or BusyBox's may be a few MB. */
const MAX_PROGRAM_BYTES = 64 * 1024 * 1024;

/** The names of the programs that dockroot calls in the initramfs. */
export const helperNames = REQUIREMENTS.map(({ name }) => name);

/** The names of the programs that an initramfs gets from this system. */
export function listHelpers(host: Host): string[] {
  return helperNames.filter(
    (name) => name !== BTRFS_HELPER || findProgram(host, name) !== undefined,
  );
}

/**
 * Looks at each program that the initramfs is to get from this system.
 * @param isBtrfs whether it is to boot from a btrfs
 */
export async function checkHelpers(
  host: Host,
  isBtrfs: boolean,
): Promise<readonly HelperStatus[]> {
  const all = await Promise.all(
    REQUIREMENTS.map((each) => checkHelper(host, each)),
  );
  return all.filter(
    ({ name, isMissing }) =>
      isBtrfs || name !== BTRFS_HELPER || isMissing !== true,
  );
}

async function checkHelper(
  host: Host,
  requirement: Requirement,
): Promise<HelperStatus> {
  try {
    const said = await readVersion(host, requirement.name);
    return judgeVersion(requirement, said);
  } catch (error) {
    if (!(error instanceof NotRunError)) throw error;
    return judgeFile(host, requirement);
  }
}

function judgeFile(host: Host, requirement: Requirement): HelperStatus {
  const { name, project } = requirement;
  const file = findProgram(host, name);
  if (file === undefined) return judgeVersion(requirement, undefined);
  const content = host.files.readBytes(file, MAX_PROGRAM_BYTES);
  const said = readProgramVersion(project, content?.toString("latin1") ?? "");
  return said === undefined ? { name } : judgeVersion(requirement, said);
}

/** As generators look for it. */
export function findProgram(host: Host, name: string): string | undefined {
  return ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    .map((directory) => path.join(directory, name))
    .find((file) => hasFile(host, file));
}

/**
 * @param isLooking whether nothing is run
 * @returns what is not known of them
 * @throws BootError HELPER_MISSING where one is absent or too old, INSTALL_FAILED in a chroot without /dev
 */
export async function requireHelpers(
  host: Host,
  isLooking: boolean,
): Promise<string[]> {
  if (!isLooking && !hasFile(host, "/dev/null")) {
    // Each program would be told to be absent.
    throw new BootError("INSTALL_FAILED", "/dev/null is missing", {
      hint: "Mount /dev in this chroot, or run dockroot from outside with --root DIR.",
    });
  }
  const all = await checkHelpers(host, false);
  const problems = all.flatMap(({ problem }) => problem ?? []);
  if (problems.length === 0) {
    const unchecked = uncheckedOf(all);
    return unchecked.length === 0
      ? []
      : [`the versions of ${unchecked.join(", ")}`];
  }
  const remedies = new Set(all.flatMap(({ remedy }) => remedy ?? []));
  throw new BootError("HELPER_MISSING", problems.join("; "), {
    hint: [...remedies].join(" "),
  });
}

/** @returns what it prints of itself; `undefined` where it is absent */
async function readVersion(
  host: Host,
  name: string,
): Promise<string | undefined> {
  try {
    // Other programs of these names fail at it, or wait for input that never comes.
    const { stdout } = await host.run([name, "--version"], {
      timeoutMs: 10_000,
      okExitCodes: [0, 1, 2],
    });
    return stdout.toString("utf8");
  } catch (error) {
    if (!(error instanceof HelperError) || error instanceof NotRunError) {
      throw error;
    }
    return error.kind === "missing" ? undefined : "";
  }
}
