import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mountDisk } from "../fixtures/loop-disk.ts";
import { createRandom } from "../fixtures/random.ts";
import { makeSystemDisk } from "../fixtures/system-disk.ts";
import { stopIfInterrupted } from "../fixtures/undo.ts";
import { withCopyOf } from "./disk-copy.ts";
import { startFrom } from "./start.ts";

const FILES_PER_DIRECTORY = 100;
const MIN_BYTES = 200;
const MAX_BYTES = 4096;
const DISK_BYTES = 8 * 1024 ** 3;

/** In the image. */
const IMAGE_FILES = "srv/files";
/** On the top level: of which no name is in the image, and of which all files are. */
export const NEW_LAYER = "layers/new";
export const REPLACING_LAYER = "layers/replacing";

export interface LayerDisk {
  /** A btrfs that is not mounted. */
  readonly file: string;
  /** The image's tree, as a path on the top level. */
  readonly source: string;
}

/**
 * Makes a disk with the image `system:1`, with many small files in it, and two top layers of as many.
 */
export async function makeLayerDisk(
  scratch: string,
  files: number,
): Promise<LayerDisk> {
  const { file } = await makeSystemDisk(scratch, {
    sizeBytes: DISK_BYTES,
    addToTree: (tree) => makeFiles(join(tree, IMAGE_FILES), files, 1),
  });
  await rm(join(scratch, "tree"), { recursive: true });
  const disk = await mountDisk(file, join(scratch, "mnt"));
  try {
    const at = (path: string) => join(disk.mountPoint, path);
    await makeFiles(at(join(NEW_LAYER, "srv/more-files")), files, 2);
    await makeFiles(at(join(REPLACING_LAYER, IMAGE_FILES)), files, 3);
  } finally {
    await disk.close();
  }
  const { source } = (await withCopyOf(file, (copy) => startFrom(copy))).boot;
  if (source === null) throw new Error("the boot does not tell its source");
  return { file, source };
}

async function makeFiles(
  directory: string,
  count: number,
  seed: number,
): Promise<void> {
  const random = createRandom(seed);
  const bytes = Buffer.alloc(MAX_BYTES).map(() => random.below(256));
  for (let made = 0; made < count; made += 1) {
    const parent = join(
      directory,
      String(Math.floor(made / FILES_PER_DIRECTORY)),
    );
    if (made % FILES_PER_DIRECTORY === 0) {
      stopIfInterrupted();
      await mkdir(parent, { recursive: true });
    }
    const size = MIN_BYTES + random.below(MAX_BYTES - MIN_BYTES);
    await writeFile(
      join(parent, `file-${String(made)}`),
      bytes.subarray(0, size),
    );
  }
}
