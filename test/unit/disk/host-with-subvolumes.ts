import path from "node:path";
import { createHost, type Host } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";

/**
 * This machine, on whatever filesystem. What is faked: what is in the directories of that name has the
 * inode number of subvolumes, and is root's. The root rung has real ones.
 * @param directory the end of a path
 * @param architecture of the machine, as Node calls it; default: this one's
 */
export function hostWithSubvolumes(
  directory: string,
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
        return status !== undefined &&
          path.dirname(String(file)).endsWith(directory)
          ? { ...status, inode: 256, uid: 0 }
          : status;
      },
    },
  };
}
