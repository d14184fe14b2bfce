import { copyDisk } from "../fixtures/loop-disk.ts";
import { makeBootDisk, SMALL_LAYER } from "./boot-disk.ts";
import type { Contender, Result } from "./comparison.ts";
import { withCopyOf } from "./disk-copy.ts";
import type { Bench, Entry, Executable } from "./entry.ts";
import {
  FINISH,
  measureBaseline,
  measureBoot,
  MOUNT_ROOT,
  type StartOptions,
} from "./start.ts";

const LAYERS = 5;
export const BASELINE_NAME = "shell script";

export const wholeBoot: Entry = {
  name: "boot",
  describe: `a whole boot, ${String(LAYERS)} layers in the store, a small top layer`,
  measure,
};

async function measure(bench: Bench): Promise<void> {
  const { scratch, progress } = bench;
  const disk = await progress("a disk with an image", () =>
    makeBootDisk(scratch, LAYERS),
  );
  const options = { topLayer: SMALL_LAYER };
  await compareBoots(
    bench,
    "a boot, the first: there is no rwlayer yet",
    bootContenders(bench, () => disk, options),
  );

  const formerOf = await keepFirstBoots(bench, disk, options);
  await compareBoots(
    bench,
    "a boot, the second: there is a former rwlayer",
    bootContenders(bench, formerOf, options),
  );
}

/**
 * Boots once with each contender.
 * @returns the disk as a contender has left it
 */
export async function keepFirstBoots(
  bench: Bench,
  disk: string,
  options: StartOptions,
): Promise<(contender: string) => string> {
  const former = new Map<string, string>();
  const contenders = bootContenders(bench, () => disk, options, {
    keepAs: (contender) => {
      const file = `${disk}-after-${contender.replaceAll(/[^a-z]/g, "-")}`;
      former.set(contender, file);
      return file;
    },
  });
  // The shell script knows subvolumes alone.
  const able = contenders.slice(options.isOverlay === true ? 1 : 0);
  for (const { name, measure } of able) {
    await bench.progress(`a first boot: ${name}`, measure);
  }
  return (contender) => former.get(contender) ?? disk;
}

/** Measures, and records the same runs with what follows added. */
export async function compareBoots(
  { compare, record }: Bench,
  title: string,
  contenders: readonly Contender[],
): Promise<void> {
  const measured = await compare({ title, unit: "ms", contenders });
  for (const result of measured) {
    record(addParts(result, "until root is mounted", [MOUNT_ROOT]));
    record(addParts(result, "until init starts", [MOUNT_ROOT, FINISH]));
  }
}

/**
 * The shell script, then each dockroot.
 * @param diskOf the disk that a contender of this name starts from
 * @param keepAs where the disk goes as the boot has left it
 */
export function bootContenders(
  { executables }: Bench,
  diskOf: (name: string) => string,
  options: StartOptions,
  {
    flags = [],
    keepAs,
  }: {
    readonly flags?: readonly string[];
    readonly keepAs?: (name: string) => string;
  } = {},
): Contender[] {
  const onCopy = (
    name: string,
    measure: (file: string) => ReturnType<Contender["measure"]>,
  ): Contender => ({
    name,
    measure: () =>
      withCopyOf(diskOf(name), async (file) => {
        const sample = await measure(file);
        if (keepAs !== undefined) await copyDisk(file, keepAs(name));
        return sample;
      }),
  });
  return [
    onCopy([BASELINE_NAME, ...flags].join(" "), (file) =>
      measureBaseline(file, options, flags),
    ),
    ...executables.map((executable: Executable) =>
      onCopy(executable.name, (file) => measureBoot(file, options, executable)),
    ),
  ];
}

function addParts(
  { title, unit, series }: Result,
  until: string,
  added: readonly string[],
): Result {
  return {
    title: `${title}; ${until}`,
    unit,
    series: series.map(({ name, samples, parts = [] }) => ({
      name,
      samples: samples.map((sample, run) =>
        added.reduce((sum, part) => sum + (parts[run]?.[part] ?? NaN), sample),
      ),
    })),
  };
}
