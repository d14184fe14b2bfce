import { followIn } from "../host/follow-in.ts";
import { BootError } from "../base/errors.ts";
import type { Host } from "../host/host.ts";

/** Where initramfs-tools looks for init, but for its last resort, /bin/sh. */
const USUAL_INITS = ["/sbin/init", "/etc/init", "/bin/init"];

/**
 * Checks that the tree can become root: an init exists in it, links followed inside the tree.
 * @param what the tree in words
 * @param init what `init=` names
 * @returns a warning where the running kernel's modules are absent
 * @throws BootError INIT_MISSING
 */
export function checkBootable(
  host: Host,
  tree: string,
  {
    what,
    init,
    kernelRelease,
  }: { what: string; init: string | undefined; kernelRelease: string },
): string | undefined {
  if (!hasInit(host, tree, init)) {
    throw new BootError(
      "INIT_MISSING",
      init === undefined
        ? `${what} has no init: none of ${USUAL_INITS.join(", ")} is an executable file in it`
        : `${what} has no ${init}, which the kernel option init= asks for`,
      {
        hint:
          init === undefined
            ? "Install an init into the image (on Debian: systemd-sysv) or name its own with init=. A root that is kept is made anew with dockroot.rwlayer=fresh."
            : "Correct or drop init= in the boot menu entry.",
      },
    );
  }
  if (!hasModules(host, tree, kernelRelease)) {
    return describeMissingModules(what, kernelRelease);
  }
  return undefined;
}

export function describeMissingModules(
  what: string,
  kernelRelease: string,
): string {
  return `${what} has no /lib/modules/${kernelRelease}: drivers of the running kernel will be missing; boot the kernel that is in the image`;
}

/** @param init what `init=` names */
export function hasInit(
  host: Host,
  tree: string,
  init: string | undefined,
): boolean {
  const candidates = init === undefined ? USUAL_INITS : [init];
  return candidates.some((candidate) => isExecutable(host, tree, candidate));
}

/** The kernel releases whose modules a tree holds, in no particular order. */
export function listKernels(host: Host, tree: string): string[] {
  const modules = followIn(host, tree, "/lib/modules");
  if (modules === undefined) return [];
  return host.files
    .namesIn(modules)
    .filter((release) => hasModules(host, tree, release));
}

/** Whether the tree has the modules of a kernel; a kernel without them lacks most drivers. */
export function hasModules(
  host: Host,
  tree: string,
  kernelRelease: string,
): boolean {
  const modules = modulesIn(host, tree, kernelRelease);
  return (
    modules !== undefined && host.files.statusOf(modules)?.kind === "directory"
  );
}

/** Where a tree has them, or would; `undefined` where links loop. */
export function modulesIn(
  host: Host,
  tree: string,
  kernelRelease: string,
): string | undefined {
  return followIn(host, tree, `/lib/modules/${kernelRelease}`);
}

function isExecutable(host: Host, tree: string, file: string): boolean {
  const target = followIn(host, tree, file);
  const status = target === undefined ? undefined : host.files.statusOf(target);
  return status?.kind === "file" && (status.mode & 0o111) !== 0;
}

/** systemd takes it for a container. */
const CONTAINER_MARK = "/.dockerenv";

/** Where an engine puts files of its own over a container's; what it puts them on stays in some images. */
const MOUNTED_OVER = ["/etc/resolv.conf", "/etc/hosts", "/etc/hostname"];

/**
 * What an engine has left in an image that keeps a system from finding its own: a name server is not
 * looked for where there is an empty /etc/resolv.conf.
 * @returns paths relative to the tree, free of symlinks
 */
export function findEngineArtifacts(host: Host, tree: string): string[] {
  return [CONTAINER_MARK, ...MOUNTED_OVER].flatMap((file) => {
    const slash = file.lastIndexOf("/");
    const directory = followIn(host, tree, file.slice(0, slash));
    if (directory === undefined) return [];
    const whole = `${directory}${file.slice(slash)}`;
    const status = host.files.statusOf(whole);
    const isEngineArtifact =
      status?.kind === "file" &&
      (file === CONTAINER_MARK || status.sizeBytes === 0);
    return isEngineArtifact ? [whole.slice(tree.length + 1)] : [];
  });
}
