import path from "node:path";
import {
  endGroup,
  canTie,
  runHelper,
  type RunOptions,
  type RunResult,
} from "./process.ts";
import * as files from "./files.ts";
import { lockDirectory, type Lock } from "./lock.ts";
import { createLog, type Log } from "./log.ts";

export type Files = typeof files;

/** The only door to the machine. */
export interface Host {
  readonly log: Log;
  readonly files: Files;
  /** Node's name of the machine's architecture (`x64`, `arm64`). */
  readonly architecture: string;
  readonly nodeVersion: string;
  readonly processId: number;
  /** Where an absolute path of the machine stands: below the injected root. */
  path(absolute: string): string;
  /** Reads a file of the machine; `undefined` where there is none. */
  readText(absolute: string, maxBytes: number): string | undefined;
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** As `lockDirectory` of lock.ts. */
  lockDirectory(
    directory: string,
    timeoutMs: number,
  ): Promise<Lock | undefined>;
  /** Ends a group of processes that `run` has started, and waits for that. */
  endGroup(groupId: number): Promise<void>;
  /** Milliseconds of a clock that only goes forward. */
  nowMs(): number;
  sleep(ms: number): Promise<void>;
}

/** @param root the directory that stands for `/` */
export function createHost(root: string, log: Log): Host {
  const hostPath = (absolute: string) => path.join(root, absolute);
  return {
    log,
    files,
    architecture: process.arch,
    nodeVersion: process.version,
    processId: process.pid,
    path: hostPath,
    readText: (absolute, maxBytes) =>
      files.readText(hostPath(absolute), maxBytes),
    run: runHelper,
    lockDirectory: (directory, timeoutMs) =>
      lockDirectory(directory, timeoutMs, false),
    endGroup,
    nowMs: () => performance.now(),
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  };
}

/** The same machine, where a helper is killed after this time, or what less a call gives it. */
export function limitHelpers(host: Host, timeoutMs: number): Host {
  return {
    ...host,
    run: (argv, options) =>
      host.run(argv, {
        ...options,
        timeoutMs: Math.min(timeoutMs, options?.timeoutMs ?? Infinity),
      }),
  };
}

/** The same machine, where nothing is logged: for a report that tells what there is. */
export function silence(host: Host): Host {
  return { ...host, log: createLog([]) };
}

/**
 * The same machine, where a helper ends with this process, however that ends: one that went on would
 * keep in use what the next boot has to unmount. Without util-linux's setpriv helpers are as they are, and the log
 * says so.
 */
export async function tieHelpers(host: Host): Promise<Host> {
  if (!(await canTie())) {
    host.log.warn(
      "util-linux's setpriv was not found: helper programs may keep running when dockroot is killed",
    );
    return host;
  }
  return {
    ...host,
    run: (argv, options) => host.run(argv, { ...options, isTied: true }),
    lockDirectory: (directory, timeoutMs) =>
      lockDirectory(directory, timeoutMs, true),
  };
}
