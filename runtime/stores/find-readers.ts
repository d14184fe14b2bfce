import path from "node:path";
import {
  CONTAINERD_METADATA,
  openContainerd,
} from "./containerd/containerd.ts";
import { openDockerGraphdriver } from "./docker-graphdriver.ts";
import { openPodman } from "./podman.ts";
import { isPresent, namesIn } from "./store-files.ts";
import type { StoreLocation, StoreReader } from "./store.ts";
import type { StoreKind } from "../options/store-kinds.ts";

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
