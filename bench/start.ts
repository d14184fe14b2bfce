import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { attachDisk } from "../fixtures/loop-disk.ts";
import { run } from "../fixtures/run.ts";
import { undoLater } from "../fixtures/undo.ts";
import { unmountBelow } from "../fixtures/unmount.ts";
import {
  OVERLAY_ROOT,
  type RootedBoot,
} from "../runtime/records/boot-record.ts";
import { groupMarks, groupSteps, type Mark } from "./boot-parts.ts";
import type { Sample } from "./comparison.ts";
import type { Executable } from "./entry.ts";
import { measurePeakBytes } from "./peak-memory.ts";
import { runInGroup } from "./run-in-group.ts";

export const DOCKROOT: Executable = {
  name: "dockroot",
  file: join(import.meta.dirname, "../dist/dockroot"),
};

const BASELINE = join(import.meta.dirname, "baseline/boot-from-image");

/** More than a boot takes to get ready. */
const GET_READY_MS = 500;

/** The part that comes after a boot: what the initramfs does then. */
export const MOUNT_ROOT = "mount root";

/** Removes what is too old; the shell script has done it by then. */
export const FINISH = "finish";

export interface StartOptions {
  /** Of the repository `system`. Default: 1. */
  readonly tag?: string;
  /** The image store's directory. Default: docker. */
  readonly store?: string;
  /** Whether its layers are overlay2's. */
  readonly isOverlay?: boolean;
  /** The top layer's directory on the same disk. Default: no top layer. */
  readonly topLayer?: string | undefined;
  /** Is called right before the boot. */
  readonly prepare?: (() => Promise<unknown>) | undefined;
}

/** The files that say what to start from, on a disk that is not in use. */
interface Rehearsal {
  readonly device: string;
  readonly at: (name: string) => string;
}

async function rehearse<T>(
  file: string,
  { tag = "1", store = "docker", isOverlay, topLayer, prepare }: StartOptions,
  work: (rehearsal: Rehearsal) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(`${file}-start-`);
  const { device, close } = await attachDisk(file);
  const clear = undoLater(async () => {
    await unmountBelow(directory);
    await rm(directory, { recursive: true });
  });
  const at = (name: string) => join(directory, name);
  try {
    const cmdline = [
      `root=${device} rw docker_path=${store} dockroot.fallback=none`,
      ...(isOverlay === true ? [] : ["rootflags=subvol=docker_rwlayer"]),
      ...(topLayer === undefined
        ? []
        : [`toplayer=${device} toplayer_path=${topLayer}`]),
    ].join(" ");
    await writeFile(at("cmdline"), `${cmdline}\n`);
    await writeFile(
      at("config.json"),
      JSON.stringify({ docker_image: "system", docker_tag: tag }),
    );
    await prepare?.();
    return await work({ device, at });
  } finally {
    await clear();
    await close();
  }
}

/** A boot as boot.json tells of it, and what it took besides. */
export interface Start {
  readonly boot: RootedBoot;
  /** The most that dockroot, or the largest of its helpers, had in memory. */
  readonly peakBytes: number;
}

/** Rehearses the whole boot of a machine, `dockroot finish` included. */
export function startFrom(
  disk: string,
  options: StartOptions = {},
  { file }: Executable = DOCKROOT,
): Promise<Start> {
  return rehearse(disk, options, async ({ at }) => {
    const peakBytes = await measurePeakBytes(at("peak"), bootCommand(file, at));
    const boot = await readBoot(at);
    await runInGroup([file, "finish", "--run-dir", at("run")]);
    return { boot, peakBytes };
  });
}

/** Measures `dockroot boot`, and as its last parts what follows: mounting root, `dockroot finish`. */
export function measureBoot(
  disk: string,
  options: StartOptions,
  { file }: Executable,
): Promise<Sample> {
  return rehearse(disk, options, async ({ device, at }) => {
    const value = await runInGroup(bootCommand(file, at));
    const mounted = await mountRoot(device, at, options);
    const parts = groupSteps(await readBoot(at), value);
    const finished = await runInGroup([file, "finish", "--run-dir", at("run")]);
    return {
      value,
      parts: { ...parts, [MOUNT_ROOT]: mounted, [FINISH]: finished },
    };
  });
}

/**
 * As `measureBoot`, where both commands have begun and got ready before: measures from the moment at
 * which the boot may touch the disk, and at which root is mounted.
 * @throws Error where they have no `--when`
 */
export function measureFromGate(
  disk: string,
  options: StartOptions,
  { file }: Executable,
): Promise<Sample> {
  return rehearse(disk, options, async ({ device, at }) => {
    const booted = runInGroup([
      ...bootCommand(file, at),
      ...["--when", at("gate")],
    ]);
    const tidied = runInGroup([
      ...([file, "finish", "--run-dir", at("run")] as const),
      ...["--when", at("rooted")],
    ]);
    // One that ends too soon fails where it is waited for.
    const ended = Promise.allSettled([booted, tidied]);
    const letGoOn = async (gate: string, command: Promise<unknown>) => {
      const begun = performance.now();
      await writeFile(at(gate), "");
      await command;
      return performance.now() - begun;
    };
    try {
      await sleep(GET_READY_MS);
      const value = await letGoOn("gate", booted);
      const mounted = await mountRoot(device, at, options);
      const parts = groupSteps(await readBoot(at), value);
      const finished = await letGoOn("rooted", tidied);
      return {
        value,
        parts: { ...parts, [MOUNT_ROOT]: mounted, [FINISH]: finished },
      };
    } finally {
      // After a failure, too: else they would wait for ever.
      for (const gate of ["gate", "rooted"]) await writeFile(at(gate), "");
      await ended;
    }
  });
}

/**
 * As `measureBoot`, of the shell script.
 * @param flags of the script
 */
export function measureBaseline(
  disk: string,
  options: StartOptions,
  flags: readonly string[],
): Promise<Sample> {
  return rehearse(disk, options, async ({ device, at }) => {
    const marks: Mark[] = [];
    const value = await runInGroup(
      [BASELINE, ...flags, at("cmdline"), at("config.json"), at("run")],
      (line, afterMs) => {
        const step = /^step: (.+)/.exec(line)?.[1];
        if (step !== undefined) marks.push({ step, afterMs });
      },
    );
    const mounted = await mountRoot(device, at, options);
    const parts = groupMarks(marks, value);
    return { value, parts: { ...parts, [MOUNT_ROOT]: mounted, [FINISH]: 0 } };
  });
}

/** As the initramfs does it. */
async function mountRoot(
  device: string,
  at: Rehearsal["at"],
  { isOverlay }: StartOptions,
): Promise<number> {
  const target = at("root");
  await run(["mkdir", "-p", target]);
  return runInGroup(
    isOverlay === true
      ? ["mount", "--bind", join(at("run"), OVERLAY_ROOT), target]
      : [
          ...(["mount", "-t", "btrfs", "-o", "subvol=docker_rwlayer"] as const),
          ...[device, target],
        ],
  );
}

function bootCommand(file: string, at: Rehearsal["at"]): [string, ...string[]] {
  return [
    ...([file, "boot", "--cmdline", at("cmdline")] as const),
    ...["--config", at("config.json"), "--run-dir", at("run")],
  ];
}

async function readBoot(at: Rehearsal["at"]): Promise<RootedBoot> {
  return JSON.parse(await readFile(at("run/boot.json"), "utf8")) as RootedBoot;
}
