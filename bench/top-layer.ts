import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { mountDisk } from "../fixtures/loop-disk.ts";
import { run } from "../fixtures/run.ts";
import type { Contender } from "./comparison.ts";
import { withCopyOf } from "./disk-copy.ts";
import type { Bench, Entry } from "./entry.ts";
import {
  makeLayerDisk,
  NEW_LAYER,
  REPLACING_LAYER,
  type LayerDisk,
} from "./layer-disk.ts";
import { runInGroup } from "./run-in-group.ts";
import { startFrom } from "./start.ts";

const FILES = 10_000;
const MANY_FILES = 100_000;
const MEMORY_RUNS = 3;

export const topLayer: Entry = {
  name: "top-layer",
  describe: `a top layer of ${inWords(FILES)} small files next to \`cp -a\`, and what memory it takes`,
  measure,
};

async function measure({ scratch, progress, compare }: Bench): Promise<void> {
  const disk = (files: number) =>
    progress(`a disk with top layers of ${inWords(files)} files`, async () => {
      const directory = join(scratch, `disk-${String(files)}`);
      await mkdir(directory);
      return makeLayerDisk(directory, files);
    });

  const small = await disk(FILES);
  for (const [what, layer] of [
    ["all names new", NEW_LAYER],
    ["all in place of the image's", REPLACING_LAYER],
  ] as const) {
    await compare({
      title: `a top layer of ${inWords(FILES)} small files, ${what}`,
      unit: "ms",
      contenders: [
        copyPlainly(small, layer, ["-a"]),
        copyPlainly(small, layer, ["-a", "--remove-destination"]),
        mergeLayer(small, layer),
      ],
    });
  }

  const large = await disk(MANY_FILES);
  await compare({
    title: `memory for a top layer of ${inWords(MANY_FILES)} small files`,
    unit: "MB",
    maxRuns: MEMORY_RUNS,
    contenders: [
      usePeakMemory(large, "no top layer"),
      usePeakMemory(large, "all names new", NEW_LAYER),
      usePeakMemory(large, "all in place of the image's", REPLACING_LAYER),
    ],
  });
}

/** Into a fresh snapshot of the image. */
function copyPlainly(
  { file: disk, source }: LayerDisk,
  layer: string,
  options: readonly string[],
): Contender {
  return {
    name: `cp ${options.join(" ")}`,
    measure: () =>
      withCopyOf(disk, async (file, scratch) => {
        const { mountPoint, close } = await mountDisk(
          file,
          join(scratch, "mnt"),
        );
        try {
          const at = (path: string) => join(mountPoint, path);
          const tree = at("tree");
          await run(["btrfs", "subvolume", "snapshot", at(source), tree]);
          return await runInGroup(["cp", ...options, `${at(layer)}/.`, tree]);
        } finally {
          await close();
        }
      }),
  };
}

/** All that dockroot does because there is a top layer. */
function mergeLayer({ file: disk }: LayerDisk, layer: string): Contender {
  return {
    name: "dockroot: read and copy it",
    measure: () =>
      withCopyOf(disk, async (file) => {
        const { boot } = await startFrom(file, { topLayer: layer });
        const steps = boot.steps.filter(({ step }) =>
          /^(?:read|plan the merge of|copy) the top layer /.test(step),
        );
        if (steps.length !== 3) {
          throw new Error(
            `of the steps of boot.json, three are to be the top layer's: ${JSON.stringify(boot.steps)}`,
          );
        }
        return steps.reduce((sum, { durationMs }) => sum + durationMs, 0);
      }),
  };
}

function usePeakMemory(
  { file: disk }: LayerDisk,
  name: string,
  layer?: string,
): Contender {
  return {
    name,
    measure: () =>
      withCopyOf(disk, async (file) => {
        const { peakBytes } = await startFrom(file, { topLayer: layer });
        return peakBytes / 1e6;
      }),
  };
}

function inWords(files: number): string {
  return files.toLocaleString("en");
}
