import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { attachDisk } from "../fixtures/loop-disk.ts";
import { undoLater } from "../fixtures/undo.ts";
import { unmountBelow } from "../fixtures/unmount.ts";
import type { RootedBoot } from "../runtime/report.ts";
import { runInGroup } from "./run-in-group.ts";

/** A start as boot.json tells of it, and what it took besides. */
export interface Start {
  readonly boot: RootedBoot;
  /** The most that dockroot, or the largest of its helpers, had in memory. */
  readonly peakBytes: number;
}

const DOCKROOT = join(import.meta.dirname, "../dist/dockroot");

/**
 * Rehearses the start of a machine from `system:1` on a disk that is not in use.
 * @param topLayer the top layer's directory on the same disk
 */
export async function startFrom(
  file: string,
  topLayer?: string,
): Promise<Start> {
  const directory = await mkdtemp(`${file}-start-`);
  const { device, close } = await attachDisk(file);
  const clear = undoLater(async () => {
    await unmountBelow(directory);
    await rm(directory, { recursive: true });
  });
  const at = (name: string) => join(directory, name);
  try {
    const options =
      topLayer === undefined
        ? ""
        : ` toplayer=${device} toplayer_path=${topLayer}`;
    await writeFile(
      at("cmdline"),
      `root=${device} rootflags=subvol=docker_rwlayer rw docker_path=docker docker_image=system:1 dockroot.fallback=none${options}\n`,
    );
    await writeFile(at("config.json"), "{}");
    await runInGroup([
      ...(["/usr/bin/time", "--format=%M", "--output", at("peak")] as const),
      ...[DOCKROOT, "boot", "--cmdline", at("cmdline")],
      ...["--config", at("config.json"), "--run-dir", at("run")],
    ]);
    const kibibytes = Number(await readFile(at("peak"), "utf8"));
    const boot = JSON.parse(
      await readFile(at("run/boot.json"), "utf8"),
    ) as RootedBoot;
    await runInGroup([DOCKROOT, "finish", "--run-dir", at("run")]);
    return { boot, peakBytes: kibibytes * 1024 };
  } finally {
    await clear();
    await close();
  }
}
