import path from "node:path";
import type { Host } from "../../runtime/host/host.ts";
import {
  KERNEL_START_BYTES,
  parseKernelVersion,
} from "./formats/parse-kernel-version.ts";
import { findMicrocode, pairKernels } from "./formats/pair-kernels.ts";

/** A directory with kernels in it. */
export interface KernelDirectory {
  /** Relative to where the search began. */
  readonly directory: string;
  readonly kernels: readonly {
    readonly kernel: string;
    readonly initramfs: string | undefined;
    readonly version: string | undefined;
  }[];
  readonly microcode: readonly string[];
}

/** More are no boot loader's. */
const MAX_DIRECTORIES = 2000;

/**
 * Looks for kernels in a tree. Links are not followed: what they lead to is found where it is.
 * @param depth how many directories deep
 * @param isLeftOut whether a directory, relative to `tree`, is not looked into
 */
export function findKernels(
  host: Host,
  tree: string,
  depth: number,
  isLeftOut: (directory: string) => boolean,
): KernelDirectory[] {
  const found: KernelDirectory[] = [];
  const pending = [{ directory: "", left: depth }];
  let seen = 0;
  for (let next = pending.shift(); next; next = pending.shift()) {
    const { directory, left } = next;
    seen += 1;
    const at = path.join(tree, directory);
    const names = host.files.namesIn(at);
    const kinds = new Map(
      names.map((name) => [
        name,
        host.files.statusOf(path.join(at, name))?.kind,
      ]),
    );
    const files = names.filter((name) => kinds.get(name) === "file");
    const kernels = pairKernels(files).map((pair) => ({
      ...pair,
      version: readVersion(host, path.join(at, pair.kernel)) ?? pair.version,
    }));
    if (kernels.length > 0) {
      found.push({ directory, kernels, microcode: findMicrocode(files) });
    }
    if (left === 0 || seen >= MAX_DIRECTORIES) continue;
    for (const name of names) {
      const below = path.join(directory, name);
      if (kinds.get(name) === "directory" && !isLeftOut(below)) {
        pending.push({ directory: below, left: left - 1 });
      }
    }
  }
  return found;
}

function readVersion(host: Host, file: string): string | undefined {
  const start = host.files.readStart(file, KERNEL_START_BYTES);
  return start === undefined ? undefined : parseKernelVersion(start.bytes);
}
