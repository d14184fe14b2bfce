import { asFailureOf, describeFailure } from "../../runtime/base/failure.ts";
import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import {
  findDockerStore,
  findStore,
  type SystemStore,
} from "../system/find-store.ts";
import { withImageInSystem, readImageReference } from "../system/image.ts";
import type { InitrdFile, TargetFacts } from "./rules/facts.ts";
import { findKernelInstallDirectories } from "../system/kernels.ts";
import { gatherTree } from "./gather-tree.ts";
import type { Look } from "./gather-entries.ts";

const INITRAMFS_NAME = /^(?:initrd|initramfs)[-.]/;

/** What dracut keeps for rescue, and what others keep of a former one: no boot of today's. */
const KEPT_NAME = /^initramfs-0-rescue-|[.~-](?:bak|old|new|dpkg-\w+)$|~$/;

const ANY_STORE = { directory: undefined, kind: undefined };

/** No kernel option says more. */
const NO_START = {
  layers: [],
  boot: {
    ...{ rwlayer: undefined, root: undefined, cmdline: undefined },
    isOverlay: false,
  },
  init: undefined,
  store: undefined,
};

/** What is looked at where no boot says which image. */
export async function gatherTarget(look: Look): Promise<TargetFacts> {
  const { host, image } = look;
  const { directory, home, location } = findAnyStore(host);
  const store = { directory, home, storeFsType: location?.mount.fsType };
  if (!look.hasDisks && image === undefined) {
    const tree = await gatherTree(host, look.generators, {
      ...NO_START,
      what: "this system",
      isItself: true,
      at: host.path("/"),
      leaf: host.path("/"),
      storeKind: undefined,
      home: "docker",
    });
    const initrds = await gatherInitrds(look);
    return { ...store, found: { kind: "itself", tree, initrds } };
  }
  if (isNotNamed(host, image)) {
    return { ...store, found: { kind: "not-named" } };
  }
  try {
    return await withImageInSystem(
      ...([host, ANY_STORE, image] as const),
      async ({ reference, id, store: storeKind, ...found }) => {
        const tree = await gatherTree(host, look.generators, {
          ...NO_START,
          boot: { ...NO_START.boot, isOverlay: found.isOverlay },
          what: `the image ${reference}`,
          isItself: false,
          at: found.root,
          leaf: found.leaf,
          storeKind,
          home,
        });
        const named = { reference, id, store: storeKind };
        return { ...store, found: { kind: "image", image: named, tree } };
      },
    );
  } catch (error) {
    const failure = describeFailure(asFailureOf("look for the image", error));
    if (failure.code === "BUG") throw error;
    return { ...store, found: { kind: "failed", failure } };
  }
}

/** Whether neither the call, nor the kernel options, nor the configuration says which image. */
function isNotNamed(host: Host, image: string | undefined): boolean {
  try {
    readImageReference(host, image);
    return false;
  } catch (error) {
    return error instanceof BootError && error.code === "IMAGE_MISSING";
  }
}

/** Docker's where no store, or more than one, has images. */
function findAnyStore(host: Host): SystemStore {
  try {
    return findStore(host, ANY_STORE);
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    return findDockerStore(host);
  }
}

/**
 * The images in /boot, and in the directories of kernel-install(8), of a system that is an image itself.
 * Links may lead to what is not made yet.
 */
function gatherInitrds({ host, lookInto }: Look): Promise<InitrdFile[]> {
  const inBoot = host.files
    .namesIn(host.path("/boot"))
    .filter((name) => INITRAMFS_NAME.test(name) && !KEPT_NAME.test(name))
    .map((name) => `/boot/${name}`);
  const inDirectories = findKernelInstallDirectories(host).map(
    ({ directory }) => `${directory}/initrd`,
  );
  return Promise.all(
    [...inBoot, ...inDirectories]
      .filter((file) => host.files.statusOf(host.path(file))?.kind === "file")
      .map(async (file) => ({ name: file, file, ...(await lookInto(file)) })),
  );
}
