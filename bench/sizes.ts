import { open, readFile, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { makeCpio } from "../fixtures/boot-files.ts";
import { run } from "../fixtures/run.ts";
import { listAddedFiles } from "./added-files.ts";
import type { Bench, Entry, Executable } from "./entry.ts";

/** Command to whose default it is, as of Debian 12 and of mkinitcpio 39. */
const COMPRESSORS: readonly (readonly [string, string?])[] = [
  ["cat"],
  ["lz4 -l -9"],
  ["gzip -n -9", "dracut"],
  ["xz --check=crc32 -T0"],
  ["zstd -1 -T0"],
  ["zstd -3 -T0", "mkinitcpio"],
  ["zstd -9 -T0", "initramfs-tools"],
  ["zstd -15 -T0"],
  ["zstd -19 -T0"],
];

export const sizes: Entry = {
  name: "sizes",
  describe: "what dockroot adds to an initramfs, by compressor",
  measure,
};

async function measure({
  scratch,
  progress,
  executables,
  record,
}: Bench): Promise<void> {
  for (const executable of executables) {
    const archive = join(scratch, "added.cpio");
    await writeFile(archive, await packAdded(executable));
    const title = `what ${executable.name} adds to an initramfs`;
    const series = await progress(title, async (say) => {
      const measured = [];
      for (const [command, generator] of COMPRESSORS) {
        say(command);
        const name =
          generator === undefined
            ? command
            : `${command}, the default of ${generator}`;
        const bytes = await compress(archive, command);
        measured.push({ name, samples: [bytes / 1e6] });
      }
      return measured;
    });
    record({ title, unit: "MB", series });
  }
}

async function packAdded({ file }: Executable): Promise<Buffer> {
  const entries = await Promise.all(
    (await listAddedFiles(file)).all.map(
      async (added) => [basename(added), await readFile(added)] as const,
    ),
  );
  return makeCpio(Object.fromEntries(entries));
}

/** @returns the size of what it becomes */
async function compress(archive: string, command: string): Promise<number> {
  const compressed = `${archive}.compressed`;
  const [from, to] = [await open(archive), await open(compressed, "w")];
  try {
    await run(command.split(" "), { input: from.fd, outputFd: to.fd });
  } finally {
    await from.close();
    await to.close();
  }
  const { size } = await stat(compressed);
  await rm(compressed);
  return size;
}
