import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * What a large store has besides the image that boots, as files of Docker's classic store: a real dockerd
 * would take hours for it, and makes no image of more than 125 layers. The digests are right. There are no
 * subvolumes behind the layers, since no boot looks at those below an image's last.
 * @see https://github.com/moby/moby/blob/v28.5.2/layer/filestore.go
 */

const LAYERS_IN_AN_IMAGE = 5;

/** Adds layers, in stacks of five. */
export async function addLayers(store: string, count: number): Promise<void> {
  for (let made = 0; made < count; made += LAYERS_IN_AN_IMAGE) {
    const above = Math.min(LAYERS_IN_AN_IMAGE, count - made);
    await addStack(store, `stack ${String(made)}`, undefined, above);
  }
}

/** Adds images that differ from one that is there in their configurations alone, each with a tag. */
export async function addImages(
  store: string,
  count: number,
  like: string,
): Promise<void> {
  await changeNames(store, async (names) => {
    const config = await readConfig(store, names, like);
    for (let made = 0; made < count; made += 1) {
      const name = `registry.example/project-${String(made % 100)}/service-${String(made)}`;
      const id = await writeImage(store, { ...config, comment: name });
      names[name] = { [`${name}:latest`]: id };
    }
  });
}

/** Adds an image with the same tree as one that is there, and more layers. */
export async function addDeepImage(
  store: string,
  reference: string,
  layers: number,
  like: string,
): Promise<void> {
  await changeNames(store, async (names) => {
    const config = await readConfig(store, names, like);
    const below = config.rootfs.diff_ids;
    const chain = below.reduce((parent, diff) => digest(`${parent} ${diff}`));
    const cacheId = await readFile(
      join(layerDirectory(store, chain), "cache-id"),
      "utf8",
    );
    const above = await addStack(
      store,
      reference,
      chain,
      layers - below.length,
      cacheId,
    );
    const id = await writeImage(store, {
      ...config,
      rootfs: { type: "layers", diff_ids: [...below, ...above] },
    });
    const [name = ""] = reference.split(":");
    names[name] = { ...names[name], [reference]: id };
  });
}

/**
 * @param below the chain ID of the layer that the lowest one stands on
 * @param lastCacheId of the highest one, where that is to have a subvolume
 * @returns their diff IDs
 */
async function addStack(
  store: string,
  seed: string,
  below: string | undefined,
  count: number,
  lastCacheId?: string,
): Promise<string[]> {
  const diffs: string[] = [];
  let parent = below;
  for (let made = 1; made <= count; made += 1) {
    const diff = digest(`${seed}: layer ${String(made)}`);
    const chain = parent === undefined ? diff : digest(`${parent} ${diff}`);
    const cacheId = digest(`${seed}: subvolume ${String(made)}`).slice(
      "sha256:".length,
    );
    const files = {
      diff,
      size: "1234567",
      "cache-id": made === count ? (lastCacheId ?? cacheId) : cacheId,
      ...(parent !== undefined && { parent }),
    };
    const directory = layerDirectory(store, chain);
    await mkdir(directory);
    for (const [name, content] of Object.entries(files)) {
      await writeFile(join(directory, name), content);
    }
    diffs.push(diff);
    parent = chain;
  }
  return diffs;
}

/** Repository to reference to image ID. */
type Names = Record<string, Record<string, string>>;

interface ImageConfig {
  readonly rootfs: { readonly type: string; readonly diff_ids: string[] };
  readonly comment?: string;
}

async function changeNames(
  store: string,
  change: (names: Names) => Promise<void>,
): Promise<void> {
  const file = join(store, "image/btrfs/repositories.json");
  const { Repositories: names } = JSON.parse(await readFile(file, "utf8")) as {
    Repositories: Names;
  };
  await change(names);
  await writeFile(file, JSON.stringify({ Repositories: names }));
}

async function readConfig(
  store: string,
  names: Names,
  reference: string,
): Promise<ImageConfig> {
  const id = names[reference.split(":")[0] ?? ""]?.[reference];
  if (id === undefined) throw new Error(`the store has no ${reference}`);
  const text = await readFile(configFile(store, id), "utf8");
  return JSON.parse(text) as ImageConfig;
}

/** @returns its ID */
async function writeImage(store: string, config: ImageConfig): Promise<string> {
  const text = JSON.stringify(config);
  const id = digest(text);
  await writeFile(configFile(store, id), text);
  return id;
}

const digest = (text: string) =>
  `sha256:${createHash("sha256").update(text).digest("hex")}`;

/** `sha256:x` as `sha256/x`. */
const toPath = (id: string) => id.replace(":", "/");

const configFile = (store: string, id: string) =>
  join(store, "image/btrfs/imagedb/content", toPath(id));

const layerDirectory = (store: string, chain: string) =>
  join(store, "image/btrfs/layerdb", toPath(chain));
