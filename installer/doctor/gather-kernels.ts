import path from "node:path";
import type { Host } from "../../runtime/host/host.ts";
import type { KernelFile } from "./rules/facts.ts";
import {
  KERNEL_START_BYTES,
  parseKernelVersion,
} from "../system/formats/parse-kernel-version.ts";

/** A system that is a tree: of a host that has its root there. */
export interface TreeKernels {
  /** The versions of the kernels whose modules are there. */
  readonly modules: readonly string[];
  readonly kernels: readonly KernelFile[];
}

const KERNEL_NAME = /^(?:vmlinu[xz]|bzImage|kernel)(?:-.*)?$/;

/** @param host has its root at the tree */
export function gatherKernels(host: Host): TreeKernels {
  const directory = "/lib/modules";
  const present = host.files.namesIn(host.path(directory)).filter((name) =>
    // A directory without either is what a removed kernel left.
    ["modules.dep", "modules.order"].some((file) =>
      isFile(host, path.join(directory, name, file)),
    ),
  );
  const files = [
    ...host.files
      .namesIn(host.path("/boot"))
      .filter((name) => KERNEL_NAME.test(name))
      .map((name) => `/boot/${name}`),
    ...present.map((name) => path.join(directory, name, "vmlinuz")),
  ].filter((file) => isFile(host, file));
  return {
    modules: present,
    kernels: files.map((file) => ({
      name: file,
      file,
      version: readKernelVersion(host, host.path(file), present),
    })),
  };
}

/**
 * @param file as the system sees it
 * @param known versions that its name may have
 * @returns what the kernel says of itself, else what its name says
 */
export function readKernelVersion(
  host: Host,
  file: string,
  known: readonly string[],
): string | undefined {
  const start = host.files.readStart(
    host.files.realPath(file),
    KERNEL_START_BYTES,
  );
  const own = start && parseKernelVersion(start.bytes);
  if (own !== undefined) return own;
  return known.find(
    (version) =>
      path.basename(file).endsWith(`-${version}`) ||
      path.basename(path.dirname(file)) === version,
  );
}

function isFile(host: Host, file: string): boolean {
  return host.files.statusOfTarget(host.path(file))?.kind === "file";
}
