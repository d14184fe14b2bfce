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
  FoundImage,
  FoundRoot,
  StoredLayer,
  StoreReader,
} from "../../../runtime/stores/store.ts";
import { leafOf } from "../../leaf-of.ts";
import { hostWithSubvolumes } from "../disk/host-with-subvolumes.ts";

/** An image, as its engine listed it. */
interface ListedImage {
  readonly id: string;
  readonly names: readonly string[];
  /** References beside its names and its ID that the engine takes for it. */
  readonly others: readonly string[];
  /** Its diff IDs; Docker did not list more than how many. */
  readonly layers: readonly string[] | number;
  /** Of its layers, the leaf layer first, relative to the store; `undefined` on btrfs. */
  readonly directories?: readonly string[];
}

/** A name with its registry, and the ID of its image. */
type NamedId = readonly [name: string, id: string];

/** A store that an engine has made. */
interface CapturedStore {
  readonly engine: "docker" | "containerd" | "podman";
  readonly captured: string;
  /** Where the store is in what was captured, and where it comes to be. */
  readonly place: readonly [from: string, to: string];
  /** Where its subvolumes are, or its layers. */
  readonly trees: string;
  /** The name of the list of what is there. */
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
  readonly find: (text: string) => FoundImage;
  readonly findRoot: (text: string) => FoundRoot;
  readonly layersOf: (text: string) => StoredLayer[];
  readonly reader: () => StoreReader;
  /** A path in it as one of this machine. */
  readonly file: (name: string) => string;
  readonly images: readonly ListedImage[];
  readonly idOf: (name: string) => string;
  /** Of its subvolumes, or its layers, relative to it. */
  readonly trees: readonly string[];
}

const CAPTURED = path.join(import.meta.dirname, "../../../fixtures/captured");

export const hexOf = (id: string) => id.slice("sha256:".length);

const readJson = <T>(...names: readonly string[]) =>
  fs.readJsonSync(path.join(CAPTURED, ...names)) as T;

const dockerStore = (
  driver: "btrfs" | "overlay2",
  captured: string,
): CapturedStore => ({
  engine: "docker",
  captured,
  place: ["image", "docker/image"],
  trees: "btrfs/subvolumes",
  list: "subvolumes.json",
  readImages: () =>
    readJson<
      {
        id: string;
        tags: string[];
        layers: number;
        directories?: string[];
      }[]
    >(captured, "images.json").map(({ tags, ...image }) => ({
      ...image,
      names: tags,
      others: tags.includes("one:1") ? ["docker.io/me/one"] : [],
    })),
  listFiles: (store) => {
    const { chainId } = store.layersOf("many:1").at(-1) ?? { chainId: "" };
    const layer = `image/${driver}/layerdb/sha256/${hexOf(chainId)}`;
    return [
      `image/${driver}/repositories.json`,
      `image/${driver}/imagedb/content/sha256/${hexOf(store.idOf("many:1"))}`,
      `${layer}/diff`,
      `${layer}/cache-id`,
    ];
  },
  directories: [
    ...["image", `image/${driver}/imagedb/content`, `image/${driver}/layerdb`],
  ],
  cutOff: /^(?:STORE_DAMAGED|SOURCE_MISSING)$/,
  setNames: (store, names) => {
    const Repositories: Record<string, Record<string, string>> = {};
    for (const [full, id] of names) {
      const name = familiarName(full);
      (Repositories[name.slice(0, name.lastIndexOf(":"))] ??= {})[name] = id;
      const config = `image/${driver}/imagedb/content/sha256/${hexOf(id)}`;
      fs.ensureFileSync(store.file(config));
    }
    const file = store.file(`image/${driver}/repositories.json`);
    fs.writeFileSync(file, JSON.stringify({ Repositories }));
  },
  otherDriver: ["image/zfs/layerdb/x", "", /Docker's zfs driver/],
});

export const DOCKER = dockerStore("btrfs", "docker-20.10.24-btrfs");

const overlay2 = dockerStore("overlay2", "docker-20.10.24-overlay2");

export const DOCKER_OVERLAY: CapturedStore = {
  ...overlay2,
  trees: "overlay2",
  list: "directories.json",
  listFiles: (store) => [
    ...overlay2.listFiles(store),
    `${path.dirname(leafOf(store.find("many:1"), "docker"))}/lower`,
  ],
};

export const CONTAINERD_META = "io.containerd.metadata.v1.bolt/meta.db";

export const CONTAINERD_SNAPSHOTTER = "io.containerd.snapshotter.v1.btrfs";

export const CONTAINERD_BLOBS = "io.containerd.content.v1.content/blobs/sha256";

const containerdStore = (
  snapshotter: "btrfs" | "overlayfs",
  captured: string,
): CapturedStore => ({
  engine: "containerd",
  captured,
  place: ["containerd", "containerd"],
  trees: `io.containerd.snapshotter.v1.${snapshotter}/snapshots`,
  list: "snapshots.json",
  readImages: () => readContainerdImages(captured),
  listFiles: (store) => {
    const { id, configId } = store.find("many:1");
    return [
      CONTAINERD_META,
      `io.containerd.snapshotter.v1.${snapshotter}/metadata.db`,
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
    writeContainerdNames([], "native"),
    /containerd's native snapshotter/,
  ],
});

export const CONTAINERD = containerdStore(
  "btrfs",
  "docker-28.5.2-containerd-btrfs",
);

export const CONTAINERD_OVERLAY = containerdStore(
  "overlayfs",
  "docker-26.1.5-containerd-overlayfs",
);

/** As `CONTAINERD`, with so many names that the database has pages of pages. */
export const CONTAINERD_MANY: CapturedStore = {
  ...CONTAINERD,
  captured: `${CONTAINERD.captured}/many`,
  readImages: () => readContainerdImages(CONTAINERD_MANY.captured),
};

function readContainerdImages(captured: string): ListedImage[] {
  return readJson<
    {
      id: string;
      tags: string[];
      digests: string[];
      layers: string[];
      directories?: string[];
    }[]
  >(captured, "images.json").map(({ tags, digests, ...image }) => ({
    ...image,
    names: tags,
    others: digests,
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

export function podmanConfig(id: string, driver = "btrfs"): string {
  const name = `=${Buffer.from(id).toString("base64")}`;
  return `${driver}-images/${hexOf(id)}/${name}`;
}

const podmanStore = (
  driver: "btrfs" | "overlay",
  captured: string,
): CapturedStore => ({
  engine: "podman",
  captured,
  place: ["store", "podman"],
  trees: "btrfs/subvolumes",
  list: "subvolumes.json",
  readImages: () =>
    readJson<{
      images: {
        id: string;
        tags: string[];
        digest: string;
        layers: string[];
        directories?: string[];
      }[];
    }>(captured, "images.json").images.map(({ tags, digest, ...image }) => ({
      ...image,
      names: tags,
      others: tags.flatMap((tag) => [
        tag.replace(/:[^:/]*$/, `@${digest}`),
        `${tag}@${digest}`,
      ]),
    })),
  listFiles: (store) => [
    `${driver}-images/images.json`,
    podmanConfig(store.idOf("many:1"), driver),
    `${driver}-layers/layers.json`,
  ],
  directories: [`${driver}-images`, `${driver}-layers`],
  cutOff: /^STORE_DAMAGED$/,
  setNames: (store, names) => {
    const file = store.file(`${driver}-images/images.json`);
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
  otherDriver: ["vfs-images/images.json", "[]", /Podman's vfs driver/],
});

export const PODMAN = podmanStore("btrfs", "podman-4.3.1-btrfs");

export const PODMAN_OVERLAY: CapturedStore = {
  ...podmanStore("overlay", "podman-4.3.1-overlay"),
  trees: "overlay",
  list: "directories.json",
};

/** One of each engine. */
export const ENGINE_STORES = [DOCKER, CONTAINERD, PODMAN];

/** Those whose images are layers. */
export const OVERLAY_STORES = [
  DOCKER_OVERLAY,
  CONTAINERD_OVERLAY,
  PODMAN_OVERLAY,
];

export const STORES = [...ENGINE_STORES, ...OVERLAY_STORES];

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
  const isOverlay = OVERLAY_STORES.includes(store);
  const trees = readJson<string[]>(captured, store.list).map((name) => {
    if (name.includes("/")) return name;
    return `${store.trees}/${name}${isOverlay ? "/fs" : ""}`;
  });
  for (const name of trees) fs.mkdirpSync(file(name));
  const links = path.join(CAPTURED, captured, "links.json");
  if (fs.existsSync(links)) {
    const layers = path.join(CAPTURED, captured, store.trees);
    fs.copySync(layers, file(store.trees));
    fs.mkdirSync(file(`${store.trees}/l`));
    for (const [link, target] of Object.entries(
      fs.readJsonSync(links) as Record<string, string>,
    )) {
      fs.symlinkSync(target, file(link));
    }
  }
  if (engine === "docker") {
    // As Docker writes it: what was captured has got white space since.
    const [names = ""] = fs.globSync("image/*/repositories.json", {
      cwd: file(""),
    });
    fs.writeFileSync(file(names), JSON.stringify(fs.readJsonSync(file(names))));
  }
  const host = hostWithSubvolumes(
    isOverlay ? undefined : `${engine}/${store.trees}`,
    architecture,
  );
  const location = { host, topLevel, path: engine };
  const find = (text: string) =>
    openStore(location).find(parseImageReference(text));
  const images = store.readImages();
  return {
    find,
    findRoot: (text) => openStore(location).findRoot(parseImageReference(text)),
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
    trees,
  };
}
