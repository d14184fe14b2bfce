import path from "node:path";
import { createHost, type Host } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";

/**
 * This machine, on whatever filesystem. What is faked: what is in the directories of that name has the
 * inode number of subvolumes, and all is root's. The root rung has real ones.
 * @param directory the end of a path; `undefined` for no subvolumes
 * @param architecture of the machine, as Node calls it; default: this one's
 */
export function hostWithSubvolumes(
  directory: string | undefined,
  architecture?: string,
): Host {
  const real = createHost("/", createLog([]));
  return {
    ...real,
    architecture: architecture ?? real.architecture,
    files: {
      ...real.files,
      statusOf: (file) => {
        const status = real.files.statusOf(file);
        if (status === undefined) return undefined;
        const isSubvolume =
          directory !== undefined &&
          path.dirname(String(file)).endsWith(directory);
        return { ...status, uid: 0, ...(isSubvolume && { inode: 256 }) };
      },
    },
  };
}
