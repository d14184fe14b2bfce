import { BootError } from "../base/errors.ts";
import { listNames } from "../base/shorten.ts";
import type { ImageReference } from "../images/image-ref.ts";
import type { StoreKind } from "../options/table.ts";
import {
  CONTAINERD_METADATA,
  ContainerdStore,
} from "./containerd/containerd.ts";
import { DockerGraphdriver } from "./docker-graphdriver.ts";
import { chooseAnswers, type Answer } from "./formats/choose-answer.ts";
import { refuseUnsupported } from "./formats/store-unsupported.ts";
import { PodmanStore } from "./podman.ts";
import { StoreFiles } from "./store-files.ts";
import type {
  FoundImage,
  ImageStore,
  StoredImage,
  StoreLocation,
  StoreReader,
} from "./store.ts";

const PATH_HINT =
  "Correct docker_path= (or store_path=): the directory that is /var/lib/docker, /var/lib/containerd or /var/lib/containers/storage in the running system, seen from the filesystem's top level.";

const MAX_LISTED = 20;

/**
 * Opens what is in a store's directory. Where several stores are, those without images do not count.
 * @param wanted the kind that `dockroot.store=` names
 * @throws BootError STORE_MISSING
 */
export function openStore(
  location: StoreLocation,
  wanted?: StoreKind,
): ImageStore {
  const store = new StoreFiles(location);
  refuseNoDirectory(store);
  const found = findReaders(store, wanted);
  const readers = wanted === undefined ? found : preferUsable(found);
  const [first, ...others] = readers;
  if (first === undefined) throw storeMissing(store, wanted);
  return {
    find: (reference) =>
      others.length === 0
        ? findInOnly(first, reference)
        : findInSeveral(store, [first, ...others], reference),
    listLayers: (image) => {
      // Of one kind there may be two, of which one makes no subvolumes.
      const reader = readers.find(
        (each) => each.kind === image.store && each.unsupported() === undefined,
      );
      return (reader ?? first).listLayers(image);
    },
  };
}

/** Of several drivers of one engine, who names the engine can only mean one of which a root can be made. */
function preferUsable(readers: readonly StoreReader[]): readonly StoreReader[] {
  if (readers.length < 2) return readers;
  const usable = readers.filter((reader) => reader.unsupported() === undefined);
  return usable.length > 0 ? usable : readers;
}

/** That no root can be made of any image is told before what else is wrong, but asked only then. */
function findInOnly(
  reader: StoreReader,
  reference: ImageReference,
): FoundImage {
  try {
    return addSource(reader, reader.findImage(reference));
  } catch (error) {
    refuseUnsupported(reader);
    throw error;
  }
}

function addSource(reader: StoreReader, image: StoredImage): FoundImage {
  return { ...image, store: reader.kind, source: reader.findTree(image).path };
}

function findInSeveral(
  store: StoreFiles,
  readers: readonly [StoreReader, ...StoreReader[]],
  reference: ImageReference,
): FoundImage {
  const answers = readers.flatMap((reader) => ask(reader, reference));
  const [only] = answers;
  if (only === undefined) {
    return addSource(readers[0], readers[0].findImage(reference));
  }
  if (answers.length === 1) {
    if (only.kind !== "image") throw only.error;
    refuseUnsupported(only.reader);
  }
  // The same image in several stores: one that can be a root is enough.
  const errors: unknown[] = [];
  for (const { reader, image } of chooseAnswers(
    reference,
    store.path,
    answers,
  )) {
    try {
      return addSource(reader, image);
    } catch (error) {
      if (!(error instanceof BootError)) throw error;
      errors.push(error);
    }
  }
  throw errors[0];
}

/** Nothing where it has no images at all: then it is not the one that is used. */
function ask(reader: StoreReader, reference: ImageReference): Answer[] {
  try {
    return [{ reader, kind: "image", image: reader.findImage(reference) }];
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    if (error.code !== "IMAGE_MISSING") {
      return [{ reader, kind: "failed", error }];
    }
    return hasImages(reader) ? [{ reader, kind: "missing", error }] : [];
  }
}

/** What cannot be read may have some. */
function hasImages(reader: StoreReader): boolean {
  try {
    return reader.hasImages();
  } catch (error) {
    if (error instanceof BootError) return true;
    throw error;
  }
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
  const { what, hint } = explain(names);
  return new BootError("STORE_MISSING", `the directory ${store.path} ${what}`, {
    cause: new Error(
      names.length === 0
        ? "it is empty"
        : `it holds: ${listNames(names, MAX_LISTED)}`,
    ),
    hint,
  });
}

/** @param names what is in a directory without images */
function explain(names: readonly string[]): { what: string; hint: string } {
  if (names.includes("engine-id")) {
    return {
      what: "is Docker's, but its images are with a containerd that runs by itself",
      hint: "Name that one's directory (/var/lib/containerd in the running system), which must be on this btrfs.",
    };
  }
  return names.some((name) => /^[0-9]+\.[0-9]+$/.test(name))
    ? {
        what: "is Docker's with a user namespace, and no root can be made of its images",
        hint: `In a running system: take "userns-remap" out of /etc/docker/daemon.json, restart Docker, and pull the image again.`,
      }
    : { what: "is no image store", hint: PATH_HINT };
}

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
