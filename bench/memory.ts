import { makeBootDisk, SMALL_LAYER } from "./boot-disk.ts";
import type { Contender } from "./comparison.ts";
import { withCopyOf } from "./disk-copy.ts";
import type { Bench, Entry, Executable } from "./entry.ts";
import { startFrom } from "./start.ts";

const LAYERS = 5;

export const memory: Entry = {
  name: "memory",
  describe: "what a boot has in memory at most, the largest of its processes",
  measure,
};

async function measure({
  scratch,
  progress,
  executables,
  compare,
}: Bench): Promise<void> {
  const disk = await progress("a disk with an image", () =>
    makeBootDisk(scratch, LAYERS),
  );
  await compare({
    title: "memory for a boot",
    unit: "MB",
    contenders: executables.flatMap((executable) => [
      usePeakMemory(disk, executable, "no top layer"),
      usePeakMemory(disk, executable, "a small top layer", SMALL_LAYER),
    ]),
  });
}

function usePeakMemory(
  disk: string,
  executable: Executable,
  what: string,
  topLayer?: string,
): Contender {
  return {
    name: `${executable.name}, ${what}`,
    measure: () =>
      withCopyOf(disk, async (file) => {
        const { peakBytes } = await startFrom(file, { topLayer }, executable);
        return peakBytes / 1e6;
      }),
  };
}
