import { run } from "../fixtures/run.ts";
import { makeBootDisk, SMALL_LAYER } from "./boot-disk.ts";
import { withCopyOf } from "./disk-copy.ts";
import type { Bench, Entry, Executable } from "./entry.ts";
import { measureBoot, measureFromGate } from "./start.ts";

const LAYERS = 5;

export const gate: Entry = {
  name: "gate",
  describe:
    "what of a boot is on the critical path: from the moment at which the disk may be touched",
  measure,
};

async function measure(bench: Bench): Promise<void> {
  const { scratch, progress, executables, compare } = bench;
  const able: Executable[] = [];
  for (const executable of executables) {
    if (await hasGate(executable)) able.push(executable);
    else console.log(`${executable.name} has no --when\n`);
  }
  if (able.length === 0) return;
  const disk = await progress("a disk with an image", () =>
    makeBootDisk(scratch, LAYERS),
  );
  const options = { topLayer: SMALL_LAYER };
  await compare({
    title: "a boot, the first, that was started before the disk was there",
    unit: "ms",
    contenders: able.flatMap((executable) => [
      {
        name: `${executable.name}, all of it`,
        measure: () =>
          withCopyOf(disk, (file) => measureBoot(file, options, executable)),
      },
      {
        name: `${executable.name}, from the disk on`,
        measure: () =>
          withCopyOf(disk, (file) =>
            measureFromGate(file, options, executable),
          ),
      },
    ]),
  });
}

async function hasGate({ file }: Executable): Promise<boolean> {
  return (await run([file, "boot", "--help"])).includes("--when");
}
