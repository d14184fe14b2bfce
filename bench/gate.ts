import { run } from "../fixtures/run.ts";
import { makeBootDisk, SMALL_LAYER } from "./boot-disk.ts";
import { withCopyOf } from "./disk-copy.ts";
import type { Bench, Entry, Executable } from "./entry.ts";
import { measureFromGate } from "./start.ts";
import { bootContenders, compareBoots } from "./whole-boot.ts";

const LAYERS = 5;

export const gate: Entry = {
  name: "gate",
  describe:
    "what of a boot is on the critical path: from the moment at which the disk may be touched",
  measure,
};

async function measure(bench: Bench): Promise<void> {
  const { scratch, progress, executables } = bench;
  const able: Executable[] = [];
  for (const executable of executables) {
    if (await hasGates(executable)) able.push(executable);
    else console.log(`${executable.name} cannot begin early\n`);
  }
  const disk = await progress("a disk with an image", () =>
    makeBootDisk(scratch, LAYERS),
  );
  const options = { topLayer: SMALL_LAYER };
  await compareBoots(
    bench,
    "a boot, the first, that was started before the disk was there",
    [
      ...bootContenders(bench, () => disk, options),
      ...able.map((executable) => ({
        name: `${executable.name}, from the disk on`,
        measure: () =>
          withCopyOf(disk, (file) =>
            measureFromGate(file, options, executable),
          ),
      })),
    ],
  );
}

/** `finish` has got it later than `boot`. */
async function hasGates({ file }: Executable): Promise<boolean> {
  return (await run([file, "finish", "--help"])).includes("--when");
}
