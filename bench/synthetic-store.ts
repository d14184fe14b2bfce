import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * What a large store has besides the image that boots, as files of Docker's classic store: a real dockerd
 * would take hours for it. The digests are right; there are no subvolumes behind these layers, since no
 * start looks at those of other images.
 * @see https://github.com/moby/moby/blob/v28.5.2/layer/filestore.go
 */

const LAYERS_IN_AN_IMAGE = 5;

/** Adds layers, in stacks of five. */
export async function addLayers(store: string, count: number): Promise<void> {
  let parent = "";
  for (let made = 0; made < count; made += 1) {
    if (made % LAYERS_IN_AN_IMAGE === 0) parent = "";
    const diff = digest(`layer ${String(made)}`);
    const chain = parent === "" ? diff : digest(`${parent} ${diff}`);
    const directory = join(store, "image/btrfs/layerdb", toPath(chain));
    const files = {
      diff,
      size: "1234567",
      "cache-id": digest(`subvolume ${String(made)}`).slice("sha256:".length),
      ...(parent !== "" && { parent }),
    };
    await mkdir(directory);
    for (const [name, content] of Object.entries(files)) {
      await writeFile(join(directory, name), content);
    }
    parent = chain;
  }
}

/** Adds images that differ from one that is there in their configurations alone, each with a tag. */
export async function addImages(
  store: string,
  count: number,
  like: string,
): Promise<void> {
  const file = join(store, "image/btrfs/repositories.json");
  const { Repositories: names } = JSON.parse(await readFile(file, "utf8")) as {
    Repositories: Record<string, Record<string, string>>;
  };
  const id = names[like.split(":")[0] ?? ""]?.[like];
  if (id === undefined) throw new Error(`${file} has no ${like}`);
  const content = join(store, "image/btrfs/imagedb/content");
  const config = JSON.parse(
    await readFile(join(content, toPath(id)), "utf8"),
  ) as object;
  for (let made = 0; made < count; made += 1) {
    const name = `registry.example/project-${String(made % 100)}/service-${String(made)}`;
    const text = JSON.stringify({ ...config, comment: name });
    const other = digest(text);
    await writeFile(join(content, toPath(other)), text);
    names[name] = { [`${name}:latest`]: other };
  }
  await writeFile(file, JSON.stringify({ Repositories: names }));
}

const digest = (text: string) =>
  `sha256:${createHash("sha256").update(text).digest("hex")}`;

/** `sha256:x` as `sha256/x`. */
const toPath = (id: string) => id.replace(":", "/");
