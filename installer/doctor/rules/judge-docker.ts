import type { StoreKind } from "../../../runtime/options/store-kinds.ts";
import type { DockerConfig } from "../../engines/parse-daemon-json.ts";
import type { Judgement } from "./judgement.ts";

const SET_DRIVER =
  'Set { "storage-driver": "btrfs" } in it, without the feature containerd-snapshotter, restart Docker, and pull the image again.';

const SET_SNAPSHOTTER =
  'Set { "features": { "containerd-snapshotter": true }, "storage-driver": "btrfs" } in it, and restart Docker.';

/**
 * @param kind the store that is booted from, as far as it is known
 * @param hasStore whether the store that Docker finds is one of the driver btrfs: it stays with that
 * @see https://docs.docker.com/engine/storage/containerd/
 */
export function judgeDocker(
  docker: DockerConfig,
  kind: StoreKind | undefined,
  hasStore: boolean,
): Judgement {
  const { file, error, keepsInContainerd = false } = docker;
  if (error !== undefined) {
    return {
      config: `${file} makes no sense, and Docker does not start with it`,
      problem: error,
      remedy: "Correct it: it is a JSON object.",
    };
  }
  if (docker.hasUserNamespace && !keepsInContainerd) {
    return {
      config: `${file} has "userns-remap"`,
      problem:
        "what is pulled has files of other users than root, in a directory of its own, and no root can be made of that",
      remedy:
        'Take "userns-remap" out of it, restart Docker, and pull the image again.',
    };
  }
  if (kind === "containerd" && !keepsInContainerd) {
    return {
      config: `${file} lacks the feature containerd-snapshotter`,
      problem:
        "what is pulled may be kept elsewhere than in containerd's store, which has the image",
      remedy: SET_SNAPSHOTTER,
    };
  }
  if (kind === "graphdriver" && keepsInContainerd) {
    return {
      config: `${file} has the feature containerd-snapshotter`,
      problem:
        "what is pulled is kept in containerd's store, and the image is in Docker's own",
      remedy: SET_DRIVER,
    };
  }
  return keepsInContainerd
    ? judgeSnapshotter(docker)
    : judgeDriver(docker, hasStore);
}

function judgeSnapshotter({ file, storageDriver }: DockerConfig): Judgement {
  if (storageDriver === "btrfs") {
    return {
      config: `${file} has the feature containerd-snapshotter, and the storage driver btrfs`,
    };
  }
  return {
    config: `${file} has the feature containerd-snapshotter, and ${storageDriver === undefined ? "no storage driver" : `the storage driver ${storageDriver}`}`,
    problem: `what is pulled is unpacked by ${storageDriver ?? "overlayfs"}, and no root can be made of that`,
    remedy: SET_SNAPSHOTTER,
  };
}

function judgeDriver(
  { file, storageDriver }: DockerConfig,
  hasStore: boolean,
): Judgement {
  if (storageDriver === "btrfs") {
    return { config: `${file} names the storage driver btrfs` };
  }
  if (storageDriver !== undefined) {
    return {
      config: `${file} names the storage driver ${storageDriver}`,
      problem: "what is pulled is kept where dockroot does not look",
      remedy: SET_DRIVER,
    };
  }
  return hasStore
    ? { config: `${file} names no storage driver: Docker stays with btrfs` }
    : {
        config: `${file} names no storage driver`,
        problem: "in an empty directory Docker takes another than btrfs",
        remedy: SET_DRIVER,
      };
}
