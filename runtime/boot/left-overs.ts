import { followIn } from "../host/follow-in.ts";
import type { Host } from "../host/host.ts";

/** systemd takes it for a container. */
const CONTAINER_MARK = "/.dockerenv";

/** Where an engine puts files of its own over a container's; what it puts them on stays in some images. */
const MOUNTED_OVER = ["/etc/resolv.conf", "/etc/hosts", "/etc/hostname"];

/**
 * What an engine has left in an image that keeps a system from finding its own: a name server is not
 * looked for where there is an empty /etc/resolv.conf.
 * @returns paths relative to the tree, free of symlinks
 */
export function findLeftOvers(host: Host, tree: string): string[] {
  return [CONTAINER_MARK, ...MOUNTED_OVER].flatMap((file) => {
    const slash = file.lastIndexOf("/");
    const directory = followIn(host, tree, file.slice(0, slash));
    if (directory === undefined) return [];
    const whole = `${directory}${file.slice(slash)}`;
    const status = host.files.statusOf(whole);
    const isLeftOver =
      status?.kind === "file" &&
      (file === CONTAINER_MARK || status.sizeBytes === 0);
    return isLeftOver ? [whole.slice(tree.length + 1)] : [];
  });
}
