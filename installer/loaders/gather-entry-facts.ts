import path from "node:path";
import { gatherOptions } from "../../runtime/boot/gather-options.ts";
import { BootError } from "../../runtime/base/errors.ts";
import { followIn } from "../../runtime/host/follow-in.ts";
import type { Host } from "../../runtime/host/host.ts";
import { OverlayDisk } from "../../runtime/disk/overlay/overlay-disk.ts";
import { readMounts } from "../../runtime/disk/mounts.ts";
import { isSameOrBelow } from "../../runtime/base/is-below.ts";
import {
  DOCKROOT_DIRECTORY,
  rwlayerPaths,
} from "../../runtime/options/rwlayer-names.ts";
import {
  readImageReference,
  showImage,
  findImage,
  type UnseenTree,
  type ImageTree,
} from "../system/image.ts";
import { locate, type Location } from "../system/formats/fstab.ts";
import type { NewEntryFacts, FoundKernel } from "./plan/plan-entry.ts";
import {
  BOOT_DIRECTORIES,
  compareVersions,
} from "../system/formats/kernel-files.ts";
import { isCutShort } from "../initramfs/read-initramfs.ts";
import { findKernels, listInitramfs } from "../system/kernels.ts";
import { findLoaders } from "./find-loaders.ts";
import { nameTopLayer } from "./name-top-layer.ts";
import {
  findStorePlace,
  homeBelow,
  type StoreChoice,
  type StorePlace,
} from "../system/find-store.ts";
import { USUAL_RWLAYER, USUAL_TOP_LAYER } from "./formats/boot-loader.ts";
import {
  probeFilesystem,
  withTopLevel,
  type Filesystem,
} from "../system/filesystem.ts";

/** ESP/MACHINE-ID/VERSION/linux is the deepest of what programs make. */
const BOOT_DEPTH = 2;

/**
 * Looks for all that a boot menu entry is made of.
 * @throws BootError, HelperError
 */
export async function gatherEntryFacts(
  host: Host,
  choice: StoreChoice,
  image: string | undefined,
  topLayer: string | undefined,
): Promise<NewEntryFacts> {
  const place = await findStorePlace(host, choice);
  const store = await probeFilesystem(host, place.device);
  const mounts = await locateBootDirectories(host, store);
  const look = async (
    topLevel: string,
    isDefault: boolean,
    shown: ImageTree | undefined,
  ) => {
    const tree = shown?.root;
    const hasModules = (version: string) => {
      if (tree === undefined) return undefined;
      const at = followIn(host, tree, `lib/modules/${version}`);
      return at !== undefined && host.files.statusOf(at) !== undefined;
    };
    const rwlayer = place.bootedRwlayer ?? USUAL_RWLAYER;
    const directory = path.join(topLevel, USUAL_TOP_LAYER);
    return {
      storeHome: homeBelow(host, topLevel, place.path),
      hasDefaultSubvolume: !isDefault,
      isRwlayerForeign: place.isOverlay
        ? await isForeignOverlay(host, topLevel, rwlayer)
        : isForeign(host, topLevel, rwlayer),
      topLayerDirectory:
        host.files.statusOf(directory)?.kind === "directory"
          ? USUAL_TOP_LAYER
          : undefined,
      imageFiles: findImageFiles(host, topLevel, shown),
      ...(await findBootable(host, topLevel, store, mounts, hasModules, [
        DOCKROOT_DIRECTORY,
        place.path,
        rwlayer,
      ])),
    };
  };
  const facts = await withTopLevel(host, store, (topLevel, isDefault) => {
    const found = tryToFindImage(host, topLevel, place, image);
    return found === undefined
      ? look(topLevel, isDefault, undefined)
      : showImage(host, topLevel, found, (shown) =>
          look(topLevel, isDefault, shown),
        );
  });
  return {
    ...facts,
    store,
    storePath: place.path,
    isOverlay: place.isOverlay,
    storeKind: choice.kind,
    image,
    topLayer:
      topLayer === undefined ? undefined : await nameTopLayer(host, topLayer),
    cmdline: gatherOptions(host).kernel,
    bootedRwlayer: place.bootedRwlayer,
    loaders: findLoaders(
      host,
      (directory) =>
        mounts.findLast(({ at }) => isSameOrBelow(directory, at))?.filesystem
          .uuid,
    ),
    espMountPoint: mounts.find(({ filesystem }) => filesystem.type === "vfat")
      ?.location.mount.mountPoint,
    searched: [
      `the top level of ${store.device} and its directories`,
      ...mounts
        .map(({ at }) => at)
        .filter((at) => !facts.replaced.includes(at)),
    ],
  };
}

/** Of what dockroot has made there is a state, whatever is in it. */
function isForeign(host: Host, topLevel: string, rwlayer: string): boolean {
  const { state } = rwlayerPaths(rwlayer);
  return (
    host.files.statusOf(path.join(topLevel, rwlayer)) !== undefined &&
    host.files.statusOf(path.join(topLevel, state)) === undefined
  );
}

async function isForeignOverlay(
  host: Host,
  topLevel: string,
  rwlayer: string,
): Promise<boolean> {
  const disk = new OverlayDisk(host, topLevel, rwlayer);
  return (await disk.inspect(rwlayer)).kind === "other";
}

interface BootMount {
  readonly at: string;
  readonly location: Location;
  readonly filesystem: Filesystem;
}

/** From /boot to what is mounted in it: of a file the last one that holds it counts. */
async function locateBootDirectories(
  host: Host,
  store: Filesystem,
): Promise<BootMount[]> {
  // systemd mounts a boot partition when somebody looks into it: to ask for the status of its
  // directory is not enough (stat(2), AT_NO_AUTOMOUNT).
  for (const at of BOOT_DIRECTORIES) host.files.namesIn(host.path(at));
  const mounts = readMounts(host);
  const found: BootMount[] = [];
  for (const at of BOOT_DIRECTORIES.toSorted()) {
    const directory = host.path(at);
    if (host.files.statusOfTarget(directory)?.kind !== "directory") continue;
    const location = locate(mounts, host.files.realPath(directory));
    // An overlay, a tmpfs: no boot loader reads those.
    if (location?.mount.source.startsWith("/dev/") !== true) continue;
    const filesystem =
      location.mount.source === store.device
        ? store
        : await probeFilesystem(host, location.mount.source);
    found.push({ at, location, filesystem });
  }
  return found;
}

/**
 * Looks for kernels on the top level and in the boot directories.
 * @param leftOut directories on the top level that a boot makes anew
 */
async function findBootable(
  host: Host,
  topLevel: string,
  store: Filesystem,
  mounts: readonly BootMount[],
  hasModules: (version: string) => boolean | undefined,
  leftOut: readonly string[],
): Promise<Pick<NewEntryFacts, "kernels" | "bareKernels" | "replaced">> {
  const isLeftOut = (directory: string) =>
    leftOut.some((other) => isSameOrBelow(directory, other));
  const mountPoints = readMounts(host).map(({ mountPoint }) => mountPoint);
  const systems = mounts.find(({ at }) => at === "/boot");
  const isReplaced = ({ location, filesystem }: BootMount) =>
    filesystem.uuid === store.uuid && isLeftOut(location.path);
  const places = [
    {
      filesystem: store,
      mountPoint: undefined,
      top: topLevel,
      from: "",
      found: findKernels(host, topLevel, 1, isLeftOut),
    },
    ...mounts
      .filter((mount) => !isReplaced(mount))
      .map(({ at, location, filesystem }) => ({
        filesystem,
        mountPoint: location.mount.mountPoint,
        top: host.path(at),
        from: location.path,
        found: findKernels(host, host.path(at), BOOT_DEPTH, (directory) =>
          mountPoints.includes(host.path(path.join(at, directory))),
        ),
      })),
  ];
  const kernels = new Map<string, FoundKernel>();
  const bareKernels: string[] = [];
  for (const { filesystem, mountPoint, top, from, found } of places) {
    for (const files of found) {
      const { kernel, initramfs, version } = files;
      const directory = path.join("/", from, files.directory).slice(1);
      const name = path.join("/", directory, kernel);
      if (initramfs === undefined) {
        bareKernels.push(`${name} on ${filesystem.device}`);
        continue;
      }
      const file = path.join(top, files.directory, initramfs);
      kernels.set(`${filesystem.uuid ?? filesystem.device}:${name}`, {
        ...files,
        initramfs,
        isCutShort: await endsEarly(host, file),
        filesystem,
        mountPoint,
        directory,
        hasModules: version === undefined ? undefined : hasModules(version),
        isSystems:
          filesystem.uuid === systems?.filesystem.uuid &&
          isSameOrBelow(directory, systems?.location.path ?? ""),
      });
    }
  }
  return {
    kernels: [...kernels.values()],
    bareKernels,
    replaced: mounts.filter(isReplaced).map(({ at }) => at),
  };
}

/** Of an initramfs that is compressed in a way that Node does not unpack that is not known. */
async function endsEarly(host: Host, file: string): Promise<boolean> {
  try {
    await listInitramfs(host, file);
    return false;
  } catch (error) {
    return isCutShort(error);
  }
}

/** @returns the newest kernel and its initramfs in the image's /boot, from the top level */
function findImageFiles(
  host: Host,
  topLevel: string,
  image: ImageTree | undefined,
): string[] {
  if (image === undefined) return [];
  const boot = path.join(image.root, "boot");
  const [newest] = findKernels(host, boot, 0, () => true)
    .filter(({ initramfs }) => initramfs !== undefined)
    .toSorted((a, b) => compareVersions(b.version, a.version));
  if (newest?.initramfs === undefined) return [];
  return [newest.kernel, newest.initramfs].flatMap((name) => {
    const file = image.directories
      .map((directory) => path.join(directory, "boot", name))
      .find((place) => host.files.statusOf(place) !== undefined);
    return file === undefined ? [] : [path.relative(topLevel, file)];
  });
}

/**
 * @returns `undefined` where it is not known
 * @throws BootError where an image that was asked for is not in the store
 */
function tryToFindImage(
  host: Host,
  topLevel: string,
  { path: store, kind }: StorePlace,
  given: string | undefined,
): UnseenTree | undefined {
  try {
    const reference = readImageReference(host, given);
    return findImage({ host, topLevel, path: store }, kind, reference);
  } catch (error) {
    if (!(error instanceof BootError) || given !== undefined) throw error;
    return undefined;
  }
}
