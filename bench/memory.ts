import { join } from "node:path";
import { run } from "../fixtures/run.ts";
import { makeBootDisk, SMALL_LAYER } from "./boot-disk.ts";
import type { Contender } from "./comparison.ts";
import { withCopyOf } from "./disk-copy.ts";
import type { Bench, Entry, Executable } from "./entry.ts";
import { measurePeakBytes } from "./peak-memory.ts";
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
  // The page cache maps larger pieces of a file that was written a moment ago than of one in an initramfs.
  const copy = async ({ name, file }: Executable): Promise<Executable> => {
    const copied = join(scratch, name.replaceAll(" ", "-"));
    await run(["cp", "--", file, copied]);
    return { name, file: copied };
  };
  const node = await copy({ name: "Node as shipped", file: process.execPath });
  const contenders: Contender[] = [
    {
      name: `${node.name}, -e 0`,
      measure: async () =>
        (await measurePeakBytes(join(scratch, "peak"), [
          node.file,
          "-e",
          "0",
        ])) / 1e6,
    },
  ];
  for (const executable of executables) {
    const copied = await copy(executable);
    contenders.push(
      usePeakMemory(disk, copied, "no top layer"),
      usePeakMemory(disk, copied, "a small top layer", SMALL_LAYER),
    );
  }
  await compare({ title: "memory for a boot", unit: "MB", contenders });
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
