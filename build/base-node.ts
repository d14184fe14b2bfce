import {
  copyFile,
  mkdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { hostArchitecture } from "./architecture.ts";
import { cacheDirectory } from "./layout.ts";
import { run } from "./run.ts";
import type { AddressRange } from "./slim/omit-unused.ts";
import { changeNode, hashSlimming } from "./slim/slim-node.ts";

/** The Node that becomes part of the executable: one package of the npm registry for each architecture. */
export interface BaseNode {
  /** Without its symbol tables and, where it is slim, without what dockroot never uses. */
  readonly file: string;
  readonly version: string;
  /** Where it has nothing but zeros that nobody reads. */
  readonly unused: readonly AddressRange[];
}

/**
 * The Node of this machine's architecture, stripped and changed. Stripping comes before the injection:
 * after it, `strip` would break the executable.
 */
export async function prepareBaseNode(isSlim: boolean): Promise<BaseNode> {
  const name = `node-linux-${hostArchitecture()}`;
  const { manifestFile, version } = findPackage(name);
  const originalFile = path.join(path.dirname(manifestFile), "bin/node");
  const made = hashSlimming(
    await run(["strip", "--version"]),
    await readFile(import.meta.filename),
  );
  const kind = isSlim ? "slim" : "whole";
  const file = path.join(cacheDirectory, `${name}-${version}-${kind}-${made}`);
  const unusedFile = `${file}.unused.json`;
  if (!(await exists(file))) {
    await mkdir(cacheDirectory, { recursive: true });
    const temporary = `${file}.${String(process.pid)}`;
    try {
      await copyFile(originalFile, temporary);
      await run(["strip", temporary]);
      const unused = await changeNode(originalFile, temporary, isSlim);
      await writeFile(unusedFile, JSON.stringify(unused));
      await rename(temporary, file);
    } finally {
      await rm(temporary, { force: true });
    }
  }
  const unused = JSON.parse(
    await readFile(unusedFile, "utf8"),
  ) as AddressRange[];
  return { file, version, unused };
}

function findPackage(name: string): { manifestFile: string; version: string } {
  const require = createRequire(import.meta.url);
  try {
    const manifestFile = require.resolve(`${name}/package.json`);
    const { version } = require(manifestFile) as { version: string };
    return { manifestFile, version };
  } catch (cause) {
    throw new Error(
      `cannot find the npm package ${name}, the Node of this machine's architecture (run: scripts/setup build)`,
      { cause },
    );
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
