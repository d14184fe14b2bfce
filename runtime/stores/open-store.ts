import { BootError } from "../base/errors.ts";
import { listNames } from "../base/shorten.ts";
import type { StoreKind } from "../options/table.ts";
import {
  CONTAINERD_METADATA,
  ContainerdStore,
} from "./containerd/containerd.ts";
import { DockerGraphdriver } from "./docker-graphdriver.ts";
import { findInStores } from "./find-image.ts";
import { PodmanStore } from "./podman.ts";
import { findEmptyPart } from "./split-store.ts";
import { StoreFiles } from "./store-files.ts";
import {
  ROOT_TREES,
  type ImageStore,
  type StoreLocation,
  type StoreReader,
  type TreeKind,
} from "./store.ts";

const PATH_HINT =
  "Correct docker_path= (or store_path=): the directory that is /var/lib/docker, /var/lib/containerd or /var/lib/containers/storage in the running system, seen from the filesystem's top level.";

const MAX_LISTED = 20;

/**
 * Opens what is in a store's directory. Where several stores are, those without images do not count.
 * @param wanted the kind that `dockroot.store=` names
 * @param best what an image's tree is to be, where it is in the store in two ways
 * @throws BootError STORE_MISSING
 */
export function openStore(
  location: StoreLocation,
  wanted?: StoreKind,
  best: TreeKind = "subvolume",
): ImageStore {
  const store = new StoreFiles(location);
  refuseNoDirectory(store);
  const found = findReaders(store, wanted);
  const kinds = best === "subvolume" ? TREE_KINDS : TREE_KINDS.toReversed();
  const readers = wanted === undefined ? found : preferUsable(found, kinds);
  const [first] = readers;
  if (first === undefined) throw storeMissing(store, wanted);
  return {
    find: (reference) => findInStores(store.path, readers, reference, kinds),
    findRoot: (reference) => {
      const { tree, ...image } = findInStores(
        store.path,
        readers,
        reference,
        ROOT_TREES,
      );
      if (tree.kind === "subvolume") return { ...image, source: tree.source };
      throw new Error(`a root of ${tree.kind}`);
    },
    listLayers: (image) => {
      // Of one kind there may be two.
      const reader = readers.find(
        (each) =>
          each.kind === image.store &&
          each.treeKinds().includes(image.tree.kind),
      );
      return (reader ?? first).listLayers(image);
    },
  };
}

/** The best first. */
const TREE_KINDS: readonly TreeKind[] = ["subvolume", "layers"];

/** Of several drivers of one engine, who names the engine can only mean the one that is best for roots. */
function preferUsable(
  readers: readonly StoreReader[],
  kinds: readonly TreeKind[],
): readonly StoreReader[] {
  if (readers.length < 2) return readers;
  const byKind = kinds.map((kind) =>
    readers.filter((reader) => reader.treeKinds().includes(kind)),
  );
  return byKind.find((usable) => usable.length > 0) ?? readers;
}

function refuseNoDirectory(store: StoreFiles): void {
  const { host, topLevel, path } = store;
  const target = store.resolve("");
  const status = target === undefined ? undefined : host.files.statusOf(target);
  if (status?.kind === "directory") return;
  if (status !== undefined) {
    throw new BootError(
      "STORE_MISSING",
      `${path}, where the image store should be, is not a directory`,
      { hint: PATH_HINT },
    );
  }
  const names = host.files.namesIn(topLevel);
  const present = names.length === 0 ? "nothing" : listNames(names, MAX_LISTED);
  throw new BootError("STORE_MISSING", `there is no image store at ${path}`, {
    cause: new Error(`the filesystem's top level holds: ${present}`),
    hint: PATH_HINT,
  });
}

function storeMissing(
  store: StoreFiles,
  wanted: StoreKind | undefined,
): BootError {
  const others = findReaders(store, undefined).map(({ name }) => name);
  if (wanted !== undefined && others.length > 0) {
    return new BootError(
      "STORE_MISSING",
      `there is no ${wanted} store in ${store.path}, only one of ${others.join(" and of ")}`,
      { hint: "Correct or drop dockroot.store=." },
    );
  }
  const names = store.namesIn("");
  const [what, hint] = explain(names);
  // A directory of an engine that keeps its images elsewhere may well be empty.
  const isUnknown = hint === PATH_HINT;
  const empty = LISTS.map((list) => findEmptyPart(store, list)).find(
    (part) =>
      part !== undefined &&
      (part.isKnown || (isUnknown && part.directory !== store.path)),
  );
  if (empty !== undefined) {
    const { directory, cause, owner } = empty;
    const named =
      owner === undefined
        ? PATH_HINT
        : `Name the subvolume that is the store: docker_path=${owner} (or store_path=).`;
    return new BootError(
      "STORE_MISSING",
      `there are no images in ${store.path}: ${directory} is empty on this filesystem`,
      { cause, hint: directory === store.path ? named : empty.hint },
    );
  }
  const held =
    names.length === 0
      ? "it is empty"
      : `it holds: ${listNames(names, MAX_LISTED)}`;
  return new BootError("STORE_MISSING", `the directory ${store.path} ${what}`, {
    cause: new Error(held),
    hint,
  });
}

/** @param names what is in a directory without images */
function explain(names: readonly string[]): [what: string, hint: string] {
  if (names.includes("engine-id")) {
    return [
      "is Docker's, but its images are in the store of a separate containerd",
      "Name containerd's directory (/var/lib/containerd in the running system), which must be on this filesystem.",
    ];
  }
  if (names.some((name) => /^[0-9]+\.[0-9]+$/.test(name))) {
    return [
      "is Docker's with a user namespace, and no root can be made of its images",
      `In a running system: take "userns-remap" out of /etc/docker/daemon.json, restart Docker, and pull the image again.`,
    ];
  }
  return ["is not an image store", PATH_HINT];
}

/** A file that each store has, and that is looked for where none has been found. */
const LISTS = [
  "image/btrfs/repositories.json",
  "image/overlay2/repositories.json",
  `containerd/daemon/${CONTAINERD_METADATA}`,
  CONTAINERD_METADATA,
  "btrfs-images/images.json",
  "overlay-images/images.json",
];

/** Where dockerd keeps the containerd that it starts itself, below its own directory. */
const DOCKERS_CONTAINERD = "containerd/daemon";

/**
 * The stores that are in a directory: Docker's has up to two, one of which may be of former times; its
 * containerd's own database is there even where it keeps no image.
 * @param wanted that kind alone, or `undefined` for all
 */
export function findReaders(
  location: StoreLocation,
  wanted: StoreKind | undefined,
): StoreReader[] {
  const store = new StoreFiles(location);
  const drivers = store
    .namesIn("image")
    .filter((driver) =>
      ["repositories.json", "layerdb"].some((name) =>
        store.file(`image/${driver}/${name}`).isPresent(),
      ),
    );
  const containerds = [store, store.below(DOCKERS_CONTAINERD)].filter((place) =>
    place.file(CONTAINERD_METADATA).isPresent(),
  );
  const podmanDrivers = store
    .namesIn("")
    .flatMap((name) => /^(.+)-images$/.exec(name)?.[1] ?? [])
    .filter((driver) => store.file(`${driver}-images/images.json`).isPresent());
  return [
    ...drivers.map((driver) => new DockerGraphdriver(store, driver)),
    ...containerds.map((place) => new ContainerdStore(place)),
    ...podmanDrivers.map((driver) => new PodmanStore(store, driver)),
  ].filter(({ kind }) => wanted === undefined || kind === wanted);
}
