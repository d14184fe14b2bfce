import { join } from "node:path";
import { deriveDisk, makeBootDisk, SMALL_LAYER } from "./boot-disk.ts";
import type { Contender } from "./comparison.ts";
import type { Bench, Entry } from "./entry.ts";
import { addContainerdStore, CONTAINERD } from "./synthetic-containerd.ts";
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
  const { scratch, progress } = bench;
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

  const options = { topLayer: SMALL_LAYER };
  const shellOnly = { ...bench, executables: [] };
  await compareStores(
    bench,
    "the store",
    stores.map(({ name, tag, disk }) => ({
      store: name,
      contenders: [
        ...bootContenders(
          shellOnly,
          () => disk,
          { ...options, tag },
          { flags: ["--scan"] },
        ),
        ...bootContenders(bench, () => disk, { ...options, tag }),
      ],
    })),
  );

  const inContainerd: MeasuredStore[] = [];
  for (const [images, name] of [
    [1, "one image"],
    [MANY_IMAGES, `${MANY_IMAGES.toLocaleString("en")} images and tags`],
  ] as const) {
    const { disk } = await derive(`containerd's ${name}`, (store) =>
      addContainerdStore(store, "system:1", images - 1),
    );
    const contenders = bootContenders(bench, () => disk, {
      ...options,
      store: CONTAINERD,
    });
    // The shell script reads Docker's own store alone.
    inContainerd.push({ store: name, contenders: contenders.slice(1) });
  }
  await compareStores(bench, "containerd's store", inContainerd);
}

interface MeasuredStore {
  readonly store: string;
  readonly contenders: readonly Contender[];
}

/** One comparison a program: its stores are what is to be next to each other. */
async function compareStores(
  { compare }: Bench,
  what: string,
  stores: readonly MeasuredStore[],
): Promise<void> {
  const programs = stores[0]?.contenders ?? [];
  await compare(
    ...programs.map((program, index) => ({
      title: `a boot by the size of ${what}: ${program.name}`,
      unit: "ms" as const,
      contenders: stores.flatMap(({ store, contenders }): Contender[] => {
        const contender = contenders[index];
        return contender === undefined ? [] : [{ ...contender, name: store }];
      }),
    })),
  );
}
