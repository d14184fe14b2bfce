import path from "node:path";
import { lookAtDisk } from "../../runtime/boot/look-at-disk.ts";
import { DEFAULT_RUN_DIRECTORY } from "../../runtime/disk/run-directory.ts";
import { formatDeviceSpec } from "../../runtime/options/parsers.ts";
import { followIn } from "../../runtime/host/follow-in.ts";
import {
  gatherTopLayer,
  OWNERLESS,
} from "../../runtime/toplayer/gather-toplayer.ts";
import { gatherOptions } from "../../runtime/boot/gather-options.ts";
import {
  readBootOptions,
  readSystemOptions,
} from "../../runtime/options/options.ts";
import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { readMounts } from "../../runtime/disk/mounts.ts";
import type { ListedLayer } from "../../runtime/tree/layer.ts";
import { listLayers } from "../../runtime/toplayer/list-layer.ts";
import {
  findImage,
  showImage,
  withImageInSystem,
  readImageReference,
  type ImageTree,
} from "../system/image.ts";
import type { StoreChoice } from "../system/find-store.ts";
import { readBootedOptions, readBootTarget } from "../system/boot-target.ts";
import { locate } from "../system/formats/fstab.ts";
import type { BootTarget } from "./rules/check-facts.ts";

/** What is checked, and against what. */
interface Sources {
  readonly layers: readonly ListedLayer[];
  readonly names: readonly string[];
  readonly image: ImageTree;
  readonly boot: BootTarget;
}

interface SourceRequest {
  /** Absolute; none: those that the kernel options of this boot name. */
  readonly directories: readonly string[];
  readonly image: string | undefined;
  readonly store: StoreChoice;
}

/**
 * Has the layers and the image there for as long as the work takes.
 * @throws BootError
 */
export async function withSources<T>(
  host: Host,
  request: SourceRequest,
  work: (sources: Sources) => Promise<T>,
): Promise<T> {
  return request.directories.length === 0
    ? withBootSources(host, request, work)
    : withDirectories(host, request, work);
}

async function withDirectories<T>(
  host: Host,
  { directories, image: given, store }: SourceRequest,
  work: (sources: Sources) => Promise<T>,
): Promise<T> {
  const mounts = readMounts(host);
  const places = directories.map((directory) => {
    const at = requireDirectory(host, directory);
    const fsType = locate(mounts, at)?.mount.fsType ?? "";
    return { at, isOwnerless: OWNERLESS.has(fsType) };
  });
  const { layers } = await listLayers(host, places, directories.join(":"));
  return withImageInSystem(host, store, given, (image) =>
    work({ layers, names: directories, image, boot: bootOf(host, image) }),
  );
}

/** @throws BootError TOPLAYER_MISSING */
function requireDirectory(host: Host, directory: string): string {
  const kind = host.files.statusOfTarget(directory)?.kind;
  if (kind === "directory") return host.files.realPath(directory);
  throw new BootError(
    "TOPLAYER_MISSING",
    `the top layer ${directory} is ${kind === undefined ? "absent" : "not a directory"}`,
    { hint: "Name the directory; dockroot toplayer init DIR makes one." },
  );
}

/** Mounts what the kernel options of this boot name, read-only, as `boot --dry-run` does. */
async function withBootSources<T>(
  host: Host,
  { image: given, store }: SourceRequest,
  work: (sources: Sources) => Promise<T>,
): Promise<T> {
  requireTopLayerOption(host);
  const runDirectory = host.path(DEFAULT_RUN_DIRECTORY);
  const options = readBootOptions(gatherOptions(host));
  try {
    return await lookAtDisk(
      host,
      options,
      runDirectory,
      async (context, disk) => {
        const { topLayer, storePath, storeKind } = readSystemOptions(options);
        if (topLayer === undefined) throw noTopLayer();
        const found = await gatherTopLayer(context, topLayer, disk, storePath);
        const { topLevel } = context;
        const spec = formatDeviceSpec(topLayer.device);
        const check = (image: ImageTree) =>
          work({
            layers: found.layers,
            names: topLayer.paths.map((file) => `${spec}:/${file}`),
            image,
            boot: bootOf(host, image),
          });
        if (store.directory !== undefined) {
          return withImageInSystem(host, store, given, check);
        }
        const path = followStore(host, topLevel, storePath);
        const image = findImage(
          { host, topLevel, path },
          store.kind ?? storeKind,
          readImageReference(host, given),
        );
        return showImage(host, topLevel, image, check);
      },
    );
  } finally {
    host.files.removeUnusedDirectory(runDirectory);
  }
}

/** The image decides what its root is. */
function bootOf(host: Host, { isOverlay }: ImageTree): BootTarget {
  return { ...readBootTarget(host), isOverlay };
}

/** Before anything is mounted. @throws BootError */
function requireTopLayerOption(host: Host): void {
  const options = readBootedOptions(host);
  if (options instanceof BootError) throw noTopLayer(options);
  if (options.topLayer === undefined) throw noTopLayer();
}

function noTopLayer(cause?: unknown): BootError {
  return new BootError(
    "TOPLAYER_MISSING",
    "the kernel options of this boot name no top layer",
    {
      cause,
      hint: "Name its directory: sudo dockroot toplayer check DIR",
    },
  );
}

function followStore(host: Host, topLevel: string, storePath: string): string {
  const resolved = followIn(host, topLevel, storePath);
  return resolved === undefined ? storePath : path.relative(topLevel, resolved);
}
