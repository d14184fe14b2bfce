import path from "node:path";
import { BootError, UsageError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { treeHost } from "./tree-host.ts";

const DIRECTORIES = ["dev", "proc", "sys", "run", "usr"];

/** The system in the directory that `--root` names, to be looked at. @throws BootError, UsageError */
export function lookAtRoot(host: Host, directory: string): Host {
  return treeHost(host, host.files.realPath(requireSystem(host, directory)));
}

/**
 * @param directory what `--root` names
 * @returns its absolute path
 * @throws BootError INSTALL_FAILED where it holds no system, UsageError
 */
export function requireSystem(host: Host, directory: string): string {
  if (directory === "") throw new UsageError("--root names no directory");
  const root = path.resolve(directory);
  for (const name of DIRECTORIES) {
    const status = host.files.statusOf(path.join(root, name));
    if (status?.kind === "directory") continue;
    throw new BootError("INSTALL_FAILED", `${root} holds no system`, {
      cause: new Error(`it has no directory ${name}`),
      hint: "Name the directory where the other system's root is mounted.",
    });
  }
  return root;
}
