import { listNames } from "../base/list-names.ts";
import { followIn } from "../host/follow-in.ts";
import { BootError } from "../base/errors.ts";
import type { ImageReference } from "../images/image-ref.ts";
import { chooseAnswers, type Answer } from "./formats/choose-answer.ts";
import { namesIn, isPresent } from "./store-files.ts";
import type {
  FoundImage,
  ImageStore,
  StoreLocation,
  StoreReader,
} from "./store.ts";
import type { StoreKind } from "../options/store-kinds.ts";
import path from "node:path";
import {
  CONTAINERD_METADATA,
  openContainerd,
} from "./containerd/containerd.ts";
import { openDockerGraphdriver } from "./docker-graphdriver.ts";
import { openPodman } from "./podman.ts";

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
  refuseNoDirectory(location);
  const found = findReaders(location, wanted);
  const readers = wanted === undefined ? found : preferUsable(found);
  const [first, ...others] = readers;
  if (first === undefined) throw storeMissing(location, wanted);
  return {
    find: (reference) =>
      others.length === 0
        ? findInOnly(first, reference)
        : findInSeveral(location, [first, ...others], reference),
    listLayers: (image) =>
      (readers.find((reader) => isFrom(reader, image)) ?? first).listLayers(
        image,
      ),
  };
}

/** Of several drivers of one engine, who names the engine can only mean one of which a root can be made. */
function preferUsable(readers: readonly StoreReader[]): readonly StoreReader[] {
  if (readers.length < 2) return readers;
  const usable = readers.filter((reader) => reader.unsupported() === undefined);
  return usable.length > 0 ? usable : readers;
}

/** Of one kind there may be two, of which one makes no subvolumes. */
function isFrom(reader: StoreReader, { store }: FoundImage): boolean {
  return reader.kind === store && reader.unsupported() === undefined;
}

function refuseUnsupported(reader: Pick<StoreReader, "unsupported">): void {
  const error = reader.unsupported();
  if (error !== undefined) throw error;
}

/** That no root can be made of any image is told before what else is wrong, but asked only then. */
function findInOnly(
  reader: StoreReader,
  reference: ImageReference,
): FoundImage {
  try {
    return findIn(reader, reference);
  } catch (error) {
    refuseUnsupported(reader);
    throw error;
  }
}

function findIn(reader: StoreReader, reference: ImageReference): FoundImage {
  const image = reader.lookUp(reference);
  return { ...image, store: reader.kind, source: reader.findSource(image) };
}

function findInSeveral(
  location: StoreLocation,
  readers: readonly [StoreReader, ...StoreReader[]],
  reference: ImageReference,
): FoundImage {
  const answers = readers.flatMap((reader) => ask(reader, reference));
  const [only] = answers;
  if (only === undefined) return findIn(readers[0], reference);
  if (answers.length === 1) {
    if (only.kind !== "image") throw only.error;
    refuseUnsupported(only.reader);
  }
  const chosen = chooseAnswers(reference, location.path, answers);
  return firstThatWorks(
    chosen.map(({ reader, image }) => () => ({
      ...image,
      store: reader.kind,
      source: reader.findSource(image),
    })),
  );
}

/** Nothing where it has no images at all: then it is not the one that is used. */
function ask(reader: StoreReader, reference: ImageReference): Answer[] {
  try {
    return [{ reader, kind: "image", image: reader.lookUp(reference) }];
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

/** The same image in several stores: one that can be a root is enough. */
function firstThatWorks<T>(attempts: readonly (() => T)[]): T {
  const errors: unknown[] = [];
  for (const attempt of attempts) {
    try {
      return attempt();
    } catch (error) {
      if (!(error instanceof BootError)) throw error;
      errors.push(error);
    }
  }
  throw errors[0];
}

function refuseNoDirectory({ host, topLevel, path: store }: StoreLocation) {
  const target = followIn(host, topLevel, store);
  const status = target === undefined ? undefined : host.files.statusOf(target);
  if (status?.kind === "directory") return;
  if (status !== undefined) {
    throw new BootError(
      "STORE_MISSING",
      `${store}, where the image store should be, is not a directory`,
      { hint: PATH_HINT },
    );
  }
  const present = listNames(host.files.namesIn(topLevel), MAX_LISTED);
  throw new BootError("STORE_MISSING", `there is no image store at ${store}`, {
    cause: new Error(
      `the filesystem's top level holds: ${present === "" ? "nothing" : present}`,
    ),
    hint: PATH_HINT,
  });
}

function storeMissing(
  location: StoreLocation,
  wanted: StoreKind | undefined,
): BootError {
  const others = findReaders(location, undefined).map(({ name }) => name);
  if (wanted !== undefined && others.length > 0) {
    return new BootError(
      "STORE_MISSING",
      `there is no ${wanted} store in ${location.path}, only one of ${others.join(" and of ")}`,
      { hint: "Correct or drop dockroot.store=." },
    );
  }
  const names = namesIn(location, "");
  const { what, hint } = explain(names);
  return new BootError(
    "STORE_MISSING",
    `the directory ${location.path} ${what}`,
    {
      cause: new Error(
        names.length === 0
          ? "it is empty"
          : `it holds: ${listNames(names, MAX_LISTED)}`,
      ),
      hint,
    },
  );
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
  return [
    ...listGraphdrivers(location),
    ...listContainerds(location),
    ...listPodmans(location),
  ].filter(({ kind }) => wanted === undefined || kind === wanted);
}

function listGraphdrivers(location: StoreLocation): StoreReader[] {
  return namesIn(location, "image")
    .filter(
      (driver) =>
        isPresent(location, `image/${driver}/repositories.json`) ||
        isPresent(location, `image/${driver}/layerdb`),
    )
    .map((driver) => openDockerGraphdriver(location, driver));
}

function listContainerds(location: StoreLocation): StoreReader[] {
  return ["", DOCKERS_CONTAINERD]
    .map((below) => ({ ...location, path: path.join(location.path, below) }))
    .filter((place) => isPresent(place, CONTAINERD_METADATA))
    .map(openContainerd);
}

function listPodmans(location: StoreLocation): StoreReader[] {
  return namesIn(location, "")
    .flatMap((name) => /^(.+)-images$/.exec(name)?.[1] ?? [])
    .filter((driver) => isPresent(location, `${driver}-images/images.json`))
    .map((driver) => openPodman(location, driver));
}
