import path from "node:path";
import { followIn } from "../follow-in.ts";
import { BootError } from "../host/errors.ts";
import type { FileStatus } from "../host/files.ts";
import { openDockerGraphdriver } from "./docker-graphdriver.ts";
import type { ImageStore, StoreLocation } from "./store.ts";

/** Directories that tell a store which dockroot cannot boot from, the more telling ones first. */
const UNSUPPORTED: readonly { readonly sign: string; readonly what: string }[] =
  [
    { sign: "image/overlay2/layerdb", what: "Docker's overlay2 driver" },
    { sign: "image/zfs/layerdb", what: "Docker's zfs driver" },
    { sign: "image/vfs/layerdb", what: "Docker's vfs driver" },
    {
      sign: "image/devicemapper/layerdb",
      what: "Docker's devicemapper driver",
    },
    { sign: "image/aufs/layerdb", what: "Docker's aufs driver" },
    {
      sign: "containerd/daemon/io.containerd.metadata.v1.bolt",
      what: "Docker's containerd image store",
    },
    { sign: "io.containerd.metadata.v1.bolt", what: "containerd" },
    { sign: "overlay-images", what: "Podman's overlay driver" },
    { sign: "btrfs-images", what: "Podman's btrfs driver" },
    { sign: "vfs-images", what: "Podman's vfs driver" },
  ];

const PATH_HINT =
  "Correct docker_path=: the directory that is /var/lib/docker in the running system, seen from the filesystem's top level.";

/**
 * Opens the image store at the location.
 * @throws BootError STORE_MISSING, or STORE_UNSUPPORTED where it is of a kind that dockroot cannot boot
 */
export function openStore(location: StoreLocation): ImageStore {
  const { host, topLevel, path: storePath } = location;
  const statusAt = (sign: string): FileStatus | undefined => {
    const target = followIn(host, topLevel, path.join(storePath, sign));
    return target === undefined ? undefined : host.files.statusOf(target);
  };
  const has = (sign: string) => statusAt(sign) !== undefined;

  if (has("image/btrfs/repositories.json") || has("image/btrfs/layerdb")) {
    return openDockerGraphdriver(location);
  }
  if (!has("")) {
    const present = listNames(host.files.namesIn(topLevel));
    throw new BootError(
      "STORE_MISSING",
      `there is no image store at docker_path=${storePath}`,
      {
        cause: new Error(
          `the filesystem's top level holds: ${present === "" ? "nothing" : present}`,
        ),
        hint: PATH_HINT,
      },
    );
  }
  if (statusAt("")?.kind !== "directory") {
    throw new BootError(
      "STORE_MISSING",
      `docker_path=${storePath} is not a directory`,
      { hint: PATH_HINT },
    );
  }
  const other = UNSUPPORTED.find(({ sign }) => has(sign));
  if (other !== undefined) {
    throw new BootError(
      "STORE_UNSUPPORTED",
      `the store ${storePath} was written by ${other.what} (${other.sign}); dockroot boots from Docker's btrfs driver`,
      {
        hint: `Set { "storage-driver": "btrfs" } in /etc/docker/daemon.json, restart Docker and pull the image again.`,
      },
    );
  }
  const directory = followIn(host, topLevel, storePath) ?? topLevel;
  const present = listNames(host.files.namesIn(directory));
  throw new BootError(
    "STORE_MISSING",
    `the directory ${storePath} is no image store: it has no image/btrfs/repositories.json`,
    {
      cause: new Error(present === "" ? "it is empty" : `it holds: ${present}`),
      hint: PATH_HINT,
    },
  );
}

const MAX_LISTED = 20;

function listNames(names: readonly string[]): string {
  const more = names.length - MAX_LISTED;
  return (
    names.slice(0, MAX_LISTED).join(", ") +
    (more > 0 ? ` and ${String(more)} more` : "")
  );
}
