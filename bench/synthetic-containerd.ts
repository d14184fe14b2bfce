import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startDatabase, type Part } from "../fixtures/bolt-writer.ts";
import { run } from "../fixtures/run.ts";
import { sha256 } from "../runtime/base/sha256.ts";
import { chainIds } from "../runtime/stores/image-config.ts";

/**
 * A store of containerd's with an image that stands in Docker's own store on the same disk, and with many
 * more: databases laid out as bbolt does it, each image on a page of its own, and of the snapshots and the
 * content only what belongs to the image that boots.
 */

/** bbolt's, where the system's are as large. */
const PAGE_BYTES = 4096;

const NAMES_ON_A_PAGE = 32;

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

/** Its directory, beside Docker's own store. */
export const CONTAINERD = "containerd";

/**
 * @param docker Docker's own store
 * @param reference `name:tag`, without a registry
 * @param others how many images there are besides
 */
export async function addContainerdStore(
  docker: string,
  reference: string,
  others: number,
): Promise<void> {
  const store = join(docker, "..", CONTAINERD);
  const at = (plugin: string, file: string) =>
    join(store, `io.containerd.${plugin}`, file);
  const image = await readClassicImage(docker, reference);
  const blobs = at("content.v1.content", "blobs/sha256");
  const snapshots = at("snapshotter.v1.btrfs", "snapshots");
  const metadata = at("metadata.v1.bolt", "");
  for (const directory of [blobs, snapshots, metadata]) {
    await mkdir(directory, { recursive: true });
  }

  const manifest = JSON.stringify({
    ...{ schemaVersion: 2, mediaType: MANIFEST },
    config: { digest: `sha256:${sha256(image.config)}` },
    layers: image.diffIds.map((digest) => ({ digest })),
  });
  for (const blob of [image.config, manifest]) {
    await writeFile(join(blobs, sha256(blob)), blob);
  }
  const chain = chainIds(image.diffIds);
  await run([
    ...["btrfs", "subvolume", "snapshot", "-r", image.tree],
    join(snapshots, String(chain.length)),
  ]);
  await writeFile(
    at("snapshotter.v1.btrfs", "metadata.db"),
    writeSnapshots(chain),
  );
  const digest = `sha256:${sha256(manifest)}`;
  const images = new Map([[`docker.io/library/${reference}`, digest]]);
  for (let made = 0; made < others; made += 1) {
    const other = `registry.example/project-${String(made % 100)}/service-${String(made)}:latest`;
    images.set(other, `sha256:${sha256(other)}`);
  }
  await writeFile(join(metadata, "meta.db"), writeMetadata(images, chain));
}

interface ClassicImage {
  readonly config: string;
  readonly diffIds: readonly string[];
  readonly tree: string;
}

async function readClassicImage(
  store: string,
  reference: string,
): Promise<ClassicImage> {
  const read = (file: string) =>
    readFile(join(store, "image/btrfs", file), "utf8");
  const { Repositories: names } = JSON.parse(
    await read("repositories.json"),
  ) as { Repositories: Record<string, Record<string, string>> };
  const id = names[reference.split(":")[0] ?? ""]?.[reference] ?? "";
  const config = await read(`imagedb/content/${id.replace(":", "/")}`);
  const { rootfs } = JSON.parse(config) as { rootfs: { diff_ids: string[] } };
  const chain = chainIds(rootfs.diff_ids).at(-1) ?? "";
  const cacheId = await read(`layerdb/${chain.replace(":", "/")}/cache-id`);
  return {
    ...{ config, diffIds: rootfs.diff_ids },
    tree: join(store, "btrfs/subvolumes", cacheId),
  };
}

/** @see https://github.com/containerd/containerd/blob/v2.1.4/core/metadata/buckets.go */
function writeMetadata(
  images: ReadonlyMap<string, string>,
  chain: readonly string[],
): Buffer {
  const database = startDatabase(PAGE_BYTES);
  const time = Buffer.alloc(15);
  const inBucket = [...images].sort().map(([key, digest]) => ({
    key,
    root: database.add([
      { key: "createdat", value: time },
      {
        key: "target",
        inline: [
          { key: "digest", value: digest },
          { key: "mediatype", value: MANIFEST },
          { key: "size", value: Buffer.of(0x80, 0x10) },
        ],
      },
      { key: "updatedat", value: time },
    ]),
  }));
  const leaves: Part[] = [];
  for (let at = 0; at < inBucket.length; at += NAMES_ON_A_PAGE) {
    const page = inBucket.slice(at, at + NAMES_ON_A_PAGE);
    leaves.push({ key: page[0]?.key ?? "", child: database.add(page) });
  }
  const snapshots = database.add(
    chain
      .map((key, index) => ({
        key,
        inline: [{ key: "name", value: snapshotName(index, key) }],
      }))
      .sort(byKey),
  );
  const moby = database.add([
    { key: "images", root: database.add(leaves) },
    {
      key: "snapshots",
      root: database.add([{ key: "btrfs", root: snapshots }]),
    },
  ]);
  const namespaces = database.add([{ key: "moby", root: moby }]);
  return database.finish(database.add([{ key: "v1", root: namespaces }]));
}

/** @see https://github.com/containerd/containerd/blob/v2.1.4/core/snapshots/storage/bolt.go */
function writeSnapshots(chain: readonly string[]): Buffer {
  const database = startDatabase(PAGE_BYTES);
  const names = chain.map((key, index) => snapshotName(index, key));
  const snapshots = names.map((key, index) => ({
    key,
    inline: [
      { key: "id", value: Buffer.of(index + 1) },
      { key: "kind", value: Buffer.of(3) },
      ...(index === 0
        ? []
        : [{ key: "parent", value: names[index - 1] ?? "" }]),
    ],
  }));
  const parents = names.slice(1).map((value, index) => ({
    key: Buffer.of(index + 1, 0, index + 2).toString("latin1"),
    value,
  }));
  const version = database.add([
    { key: "parents", root: database.add(parents) },
    { key: "snapshots", root: database.add(snapshots.sort(byKey)) },
  ]);
  return database.finish(database.add([{ key: "v1", root: version }]));
}

const snapshotName = (index: number, chainId: string) =>
  `moby/${String(index + 1)}/${chainId}`;

const byKey = (a: { key: string }, b: { key: string }) =>
  a.key < b.key ? -1 : 1;
