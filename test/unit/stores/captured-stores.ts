import fs from "fs-extra";
import path from "node:path";
import type { Test } from "tap";
import { startDatabase } from "../../../fixtures/bolt-writer.ts";
import {
  familiarName,
  parseImageReference,
} from "../../../runtime/images/image-ref.ts";
import { findReaders, openStore } from "../../../runtime/stores/open-store.ts";
import type {
  FoundRoot,
  StoredLayer,
  StoreReader,
} from "../../../runtime/stores/store.ts";
import { hostWithSubvolumes } from "../disk/host-with-subvolumes.ts";

/** An image, as its engine listed it. */
interface ListedImage {
  readonly id: string;
  readonly names: readonly string[];
  /** References beside its names and its ID that the engine takes for it. */
  readonly others: readonly string[];
  /** Its diff IDs; Docker did not list more than how many. */
  readonly layers: readonly string[] | number;
}

/** A name with its registry, and the ID of its image. */
type NamedId = readonly [name: string, id: string];

/** A store that an engine has made. */
interface CapturedStore {
  readonly engine: "docker" | "containerd" | "podman";
  readonly captured: string;
  /** Where the store is in what was captured, and where it comes to be. */
  readonly place: readonly [from: string, to: string];
  readonly subvolumes: string;
  /** The name of the list of subvolumes. */
  readonly list: string;
  readonly readImages: () => ListedImage[];
  /** The files that lead to many:1. */
  readonly listFiles: (store: CopiedStore) => string[];
  /** Some in which files lie that lead to many:1. */
  readonly directories: readonly string[];
  /** How it ends where one of those files is cut off. */
  readonly cutOff: RegExp;
  /** The store then has these names, and no others. */
  readonly setNames: (store: CopiedStore, names: readonly NamedId[]) => void;
  /** What is in a store by another driver: a name and its content, and what the error calls it. */
  readonly otherDriver: readonly [
    name: string,
    content: string | Buffer,
    called: RegExp,
  ];
}

/** A captured store in a directory of its own, to be damaged. */
export interface CopiedStore {
  readonly find: (text: string) => FoundRoot;
  readonly layersOf: (text: string) => StoredLayer[];
  readonly reader: () => StoreReader;
  /** A path in it as one of this machine. */
  readonly file: (name: string) => string;
  readonly images: readonly ListedImage[];
  readonly idOf: (name: string) => string;
  readonly subvolumes: readonly string[];
}

const CAPTURED = path.join(import.meta.dirname, "../../../fixtures/captured");

export const hexOf = (id: string) => id.slice("sha256:".length);

const readJson = <T>(...names: readonly string[]) =>
  fs.readJsonSync(path.join(CAPTURED, ...names)) as T;

export const DOCKER: CapturedStore = {
  engine: "docker",
  captured: "docker-20.10.24-btrfs",
  place: ["image", "docker/image"],
  subvolumes: "btrfs/subvolumes",
  list: "subvolumes.json",
  readImages: () =>
    readJson<{ id: string; tags: string[]; layers: number }[]>(
      DOCKER.captured,
      "images.json",
    ).map(({ id, tags, layers }) => ({
      id,
      names: tags,
      layers,
      others: tags.includes("one:1") ? ["docker.io/me/one"] : [],
    })),
  listFiles: (store) => {
    const { chainId } = store.layersOf("many:1").at(-1) ?? { chainId: "" };
    const layer = `image/btrfs/layerdb/sha256/${hexOf(chainId)}`;
    return [
      "image/btrfs/repositories.json",
      `image/btrfs/imagedb/content/sha256/${hexOf(store.idOf("many:1"))}`,
      `${layer}/diff`,
      `${layer}/cache-id`,
    ];
  },
  directories: ["image", "image/btrfs/imagedb/content", "image/btrfs/layerdb"],
  cutOff: /^(?:STORE_DAMAGED|SOURCE_MISSING)$/,
  setNames: (store, names) => {
    const Repositories: Record<string, Record<string, string>> = {};
    for (const [full, id] of names) {
      const name = familiarName(full);
      (Repositories[name.slice(0, name.lastIndexOf(":"))] ??= {})[name] = id;
      const config = `image/btrfs/imagedb/content/sha256/${hexOf(id)}`;
      fs.ensureFileSync(store.file(config));
    }
    const file = store.file("image/btrfs/repositories.json");
    fs.writeFileSync(file, JSON.stringify({ Repositories }));
  },
  otherDriver: ["image/overlay2/layerdb/x", "", /Docker's overlay2 driver/],
};

export const CONTAINERD_META = "io.containerd.metadata.v1.bolt/meta.db";

export const CONTAINERD_SNAPSHOTTER = "io.containerd.snapshotter.v1.btrfs";

export const CONTAINERD_BLOBS = "io.containerd.content.v1.content/blobs/sha256";

export const CONTAINERD: CapturedStore = {
  engine: "containerd",
  captured: "docker-28.5.2-containerd-btrfs",
  place: ["containerd", "containerd"],
  subvolumes: `${CONTAINERD_SNAPSHOTTER}/snapshots`,
  list: "snapshots.json",
  readImages: () => readContainerdImages(CONTAINERD.captured),
  listFiles: (store) => {
    const { id, configId } = store.find("many:1");
    return [
      CONTAINERD_META,
      `${CONTAINERD_SNAPSHOTTER}/metadata.db`,
      `${CONTAINERD_BLOBS}/${hexOf(id)}`,
      `${CONTAINERD_BLOBS}/${hexOf(configId)}`,
    ];
  },
  directories: ["io.containerd.content.v1.content"],
  cutOff: /^STORE_(?:DAMAGED|MISSING)$/,
  setNames: (store, names) => {
    fs.writeFileSync(store.file(CONTAINERD_META), writeContainerdNames(names));
  },
  otherDriver: [
    CONTAINERD_META,
    writeContainerdNames([], "overlayfs"),
    /containerd's overlayfs snapshotter/,
  ],
};

/** As `CONTAINERD`, with so many names that the database has pages of pages. */
export const CONTAINERD_MANY: CapturedStore = {
  ...CONTAINERD,
  captured: `${CONTAINERD.captured}/many`,
  readImages: () => readContainerdImages(CONTAINERD_MANY.captured),
};

function readContainerdImages(captured: string): ListedImage[] {
  return readJson<
    { id: string; tags: string[]; digests: string[]; layers: string[] }[]
  >(captured, "images.json").map(({ id, tags, digests, layers }) => ({
    id,
    names: tags,
    others: digests,
    layers,
  }));
}

function writeContainerdNames(
  names: readonly NamedId[],
  snapshotter = "btrfs",
): Buffer {
  const database = startDatabase();
  const images = [...names].sort().map(([key, id]) => ({
    key,
    root: database.add([
      { key: "target", inline: [{ key: "digest", value: id }] },
    ]),
  }));
  const moby = database.add([
    { key: "images", root: database.add(images) },
    {
      key: "snapshots",
      root: database.add([{ key: snapshotter, inline: [] }]),
    },
  ]);
  const namespaces = database.add([{ key: "moby", root: moby }]);
  return database.finish(database.add([{ key: "v1", root: namespaces }]));
}

export const PODMAN_IMAGES = "btrfs-images/images.json";

export const PODMAN_LAYERS = "btrfs-layers/layers.json";

export function podmanConfig(id: string): string {
  const name = `=${Buffer.from(id).toString("base64")}`;
  return `btrfs-images/${hexOf(id)}/${name}`;
}

export const PODMAN: CapturedStore = {
  engine: "podman",
  captured: "podman-4.3.1-btrfs",
  place: ["store", "podman"],
  subvolumes: "btrfs/subvolumes",
  list: "subvolumes.json",
  readImages: () =>
    readJson<{
      images: {
        id: string;
        tags: string[];
        digest: string;
        layers: string[];
      }[];
    }>(PODMAN.captured, "images.json").images.map(
      ({ id, tags, digest, layers }) => ({
        id,
        names: tags,
        others: tags.flatMap((tag) => [
          tag.replace(/:[^:/]*$/, `@${digest}`),
          `${tag}@${digest}`,
        ]),
        layers,
      }),
    ),
  listFiles: (store) => [
    PODMAN_IMAGES,
    podmanConfig(store.idOf("many:1")),
    PODMAN_LAYERS,
  ],
  directories: ["btrfs-images", "btrfs-layers"],
  cutOff: /^STORE_DAMAGED$/,
  setNames: (store, names) => {
    const file = store.file(PODMAN_IMAGES);
    const entries = fs.readJsonSync(file) as { id: string; names?: string[] }[];
    const ids = new Set(names.map(([, id]) => id));
    for (const id of ids) {
      const isThere = entries.some((entry) => entry.id === hexOf(id));
      if (!isThere) entries.push({ id: hexOf(id) });
    }
    const namesOf = Map.groupBy(names, ([, id]) => hexOf(id));
    for (const entry of entries) {
      entry.names = (namesOf.get(entry.id) ?? []).map(([name]) => name);
    }
    fs.writeJsonSync(file, entries);
  },
  otherDriver: ["overlay-images/images.json", "[]", /Podman's overlay driver/],
};

export const STORES = [DOCKER, CONTAINERD, PODMAN];

/** @param architecture of the machine, as Node calls it; default: that of the captured images */
export function copyStore(
  t: Test,
  store: CapturedStore,
  architecture = "x64",
): CopiedStore {
  const { captured, place, engine } = store;
  const topLevel = fs.mkdtempSync(path.join(t.testdir(), "disk-"));
  const file = (name: string) => path.join(topLevel, engine, name);
  fs.copySync(
    path.join(CAPTURED, captured, place[0]),
    path.join(topLevel, place[1]),
  );
  const subvolumes = readJson<string[]>(captured, store.list);
  for (const name of subvolumes) {
    fs.mkdirpSync(file(`${store.subvolumes}/${name}`));
  }
  if (engine === "docker") {
    // As Docker writes it: what was captured has got white space since.
    const names = file("image/btrfs/repositories.json");
    fs.writeFileSync(names, JSON.stringify(fs.readJsonSync(names)));
  }
  const host = hostWithSubvolumes(
    `${engine}/${store.subvolumes}`,
    architecture,
  );
  const location = { host, topLevel, path: engine };
  const find = (text: string) =>
    openStore(location).findRoot(parseImageReference(text));
  const images = store.readImages();
  return {
    find,
    layersOf: (text) => openStore(location).listLayers(find(text)),
    reader: () => {
      const [reader] = findReaders(location, undefined);
      if (reader === undefined) throw new Error("no store");
      return reader;
    },
    file,
    images,
    idOf: (name) => {
      const image = images.find(({ names }) =>
        [name, `localhost/${name}`].some((tag) => names.includes(tag)),
      );
      if (image === undefined) throw new Error(`there is no ${name}`);
      return image.id;
    },
    subvolumes,
  };
}
