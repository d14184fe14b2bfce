import { join } from "node:path";
import { deriveDisk, makeBootDisk, SMALL_LAYER } from "./boot-disk.ts";
import type { Contender } from "./comparison.ts";
import type { Bench, Entry } from "./entry.ts";
import { addDeepImage, addImages, addLayers } from "./synthetic-store.ts";
import { bootContenders } from "./whole-boot.ts";

const FEW = 5;
const MANY_LAYERS = 2_000;
const MANY_IMAGES = 10_000;
/** As many as overlay filesystems can have. */
const HIGHEST = 127;

export const storeSize: Entry = {
  name: "store-size",
  describe: "how a boot grows with the store, and with the image's layers",
  measure,
};

async function measure(bench: Bench): Promise<void> {
  const { scratch, progress, compare } = bench;
  const few = await progress("a disk with an image", () =>
    makeBootDisk(scratch, FEW),
  );
  const derive = (name: string, change: (store: string) => Promise<void>) =>
    progress(`a store with ${name}`, async () => ({
      ...{ name, tag: "1" },
      disk: await deriveDisk(few, name.replaceAll(/\W/g, "-"), (topLevel) =>
        change(join(topLevel, "docker")),
      ),
    }));
  const stores = [
    { name: `${String(FEW)} layers`, tag: "1", disk: few },
    await derive(`${MANY_LAYERS.toLocaleString("en")} layers`, (store) =>
      addLayers(store, MANY_LAYERS - FEW),
    ),
    await derive(
      `${MANY_IMAGES.toLocaleString("en")} images and tags`,
      (store) => addImages(store, MANY_IMAGES - 1, "system:1"),
    ),
    {
      ...(await derive(`an image of ${String(HIGHEST)} layers`, (store) =>
        addDeepImage(store, "system:high", HIGHEST, "system:1"),
      )),
      tag: "high",
    },
  ];

  // One comparison a program: its stores are what is to be next to each other.
  const byStore = stores.map(({ name, tag, disk }) => {
    const options = { topLayer: SMALL_LAYER, tag };
    const shellOnly = { ...bench, executables: [] };
    const scan = { flags: ["--scan"] };
    return {
      store: name,
      contenders: [
        ...bootContenders(shellOnly, () => disk, options, scan),
        ...bootContenders(bench, () => disk, options),
      ],
    };
  });
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
