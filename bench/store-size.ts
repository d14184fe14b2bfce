import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { deriveDisk, makeBootDisk, SMALL_LAYER } from "./boot-disk.ts";
import type { Contender } from "./comparison.ts";
import type { Bench, Entry } from "./entry.ts";
import { addImages, addLayers } from "./synthetic-store.ts";
import { bootContenders } from "./whole-boot.ts";

const FEW = 5;
const MANY_LAYERS = 2_000;
const MANY_IMAGES = 10_000;
/** Docker makes no more. */
const HIGHEST = 127;

export const storeSize: Entry = {
  name: "store-size",
  describe: "how a boot grows with the store, and with the image's layers",
  measure,
};

async function measure(bench: Bench): Promise<void> {
  const { scratch, progress, compare } = bench;
  const makeDisk = async (layers: number) => {
    const directory = join(scratch, `layers-${String(layers)}`);
    await mkdir(directory);
    return makeBootDisk(directory, layers);
  };
  const stores = await progress("disks with stores of all sizes", async () => {
    const few = await makeDisk(FEW);
    return [
      [`${String(FEW)} layers`, few],
      [
        `${MANY_LAYERS.toLocaleString("en")} layers`,
        await deriveDisk(few, "layers", (topLevel) =>
          addLayers(join(topLevel, "docker"), MANY_LAYERS - FEW),
        ),
      ],
      [
        `${MANY_IMAGES.toLocaleString("en")} images and tags`,
        await deriveDisk(few, "images", (topLevel) =>
          addImages(join(topLevel, "docker"), MANY_IMAGES - 1, "system:1"),
        ),
      ],
      [`an image of ${String(HIGHEST)} layers`, await makeDisk(HIGHEST)],
    ] as const;
  });

  // One comparison a program: its stores are what is to be next to each other.
  const byStore = stores.map(([store, disk]) => ({
    store,
    contenders: [
      ...bootContenders(bench, () => disk, { topLayer: SMALL_LAYER }),
      ...bootContenders(
        { ...bench, executables: [] },
        () => disk,
        {
          topLayer: SMALL_LAYER,
        },
        { flags: ["--scan"] },
      ),
    ],
  }));
  for (const [index, program] of (byStore[0]?.contenders ?? []).entries()) {
    await compare({
      title: `a boot by the size of the store: ${program.name}`,
      unit: "ms",
      contenders: byStore.flatMap(({ store, contenders }): Contender[] => {
        const contender = contenders[index];
        return contender === undefined ? [] : [{ ...contender, name: store }];
      }),
    });
  }
}
