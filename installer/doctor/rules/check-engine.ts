import type { ErrorCode } from "../../../runtime/base/errors.ts";
import type { StoreKind } from "../../../runtime/options/table.ts";
import type {
  EngineConfigs,
  DockerConfig,
  PodmanConfig,
} from "../../engines/engine-configs.ts";
import { type DoctorFacts, treesOf } from "./facts.ts";
import { ok, warning, type Finding, type Judgement } from "./finding.ts";

/** What a boot fails at when it has found a store of which roots can be made. */
const IN_STORE: ReadonlySet<string> = new Set<ErrorCode>([
  ...(["STORE_DAMAGED", "IMAGE_MISSING", "IMAGE_AMBIGUOUS"] as const),
  ...(["IMAGE_EMPTY", "SOURCE_MISSING"] as const),
]);

/**
 * Whether the engine keeps what it pulls where dockroot looks for it: here, for the next boot, and in
 * the new system, for those after it.
 */
export function* checkEngine(facts: DoctorFacts): Iterable<Finding> {
  const { engines, place, starts, target } = facts;
  yield* checkSeveral(facts);
  const trees = treesOf(facts);
  const hasStore =
    starts.some(
      ({ outcome }) =>
        outcome.kind === "planned" ||
        (outcome.kind === "failed" && IN_STORE.has(outcome.failure.code)),
    ) || target?.found.kind === "image";
  const kinds = new Set(trees.map(({ storeKind }) => storeKind));
  // Where no root can be made of a store, that finding says all that is to be done.
  if (kinds.size === 0 && !isUnsupported(facts)) kinds.add(undefined);
  if (place.kind === "running") {
    for (const kind of kinds) {
      yield judge("this system", engines, kind, hasStore);
    }
  }
  for (const { what, store, storeKind, engines: own } of trees) {
    if (store.hasEngine) yield judge(what, own, storeKind, hasStore);
  }
}

function isUnsupported({ starts, target }: DoctorFacts): boolean {
  const outcomes = [...starts.map(({ outcome }) => outcome), target?.found];
  return outcomes.some(
    (outcome) =>
      outcome?.kind === "failed" &&
      outcome.failure.code === "STORE_UNSUPPORTED",
  );
}

/** @param hasStore whether the engine finds a store of btrfs: it may stay with that */
function judge(
  what: string,
  { docker, podman }: EngineConfigs,
  kind: StoreKind | undefined,
  hasStore: boolean,
): Finding {
  const { config, problem, remedy } =
    kind === "podman"
      ? judgePodman(podman, hasStore)
      : judgeDocker(docker, kind, hasStore);
  const message = `${what}: ${config}`;
  return remedy === undefined
    ? ok("engine", message)
    : warning("engine", `${message}: ${problem}`, remedy);
}

/** Stores side by side, whose answers may come to differ. */
function* checkSeveral({ starts }: DoctorFacts): Iterable<Finding> {
  for (const { outcome } of starts) {
    if (outcome.kind !== "planned" || outcome.disk.stores.length <= 1) continue;
    const { disk, image } = outcome;
    yield warning(
      "engine",
      `${disk.storePath} holds the images of ${disk.stores.join(" and of ")}: once they say different things of ${image.reference}, no boot knows which one counts`,
      `Write dockroot.store=${image.store} among the kernel options, or remove the images that are of former times.`,
    );
  }
}

const SET_PODMAN_DRIVER =
  'Write driver = "btrfs" below [storage] in /etc/containers/storage.conf; a new file needs runroot = "/run/containers/storage" and graphroot = "/var/lib/containers/storage" there, too.';

/** @param hasStore whether there is a store already, with whose driver Podman stays */
function judgePodman(
  { file, error, driver }: PodmanConfig,
  hasStore: boolean,
): Judgement {
  if (error !== undefined) {
    return {
      config: `${file} is not valid, and Podman does not start with it`,
      problem: error,
      remedy: "Correct it: it is TOML.",
    };
  }
  if (driver === "btrfs") return { config: `${file} names the driver btrfs` };
  if (driver === undefined && hasStore) {
    return { config: `${file} names no driver: Podman stays with btrfs` };
  }
  return driver === undefined
    ? {
        config: `${file} names no driver`,
        problem: "in an empty directory Podman takes another than btrfs",
        remedy: SET_PODMAN_DRIVER,
      }
    : {
        config: `${file} names the driver ${driver}`,
        problem:
          "no root can be made of what is pulled with it, unless Podman has the store's driver in its database, and then it complains at each call",
        remedy: SET_PODMAN_DRIVER,
      };
}

const SET_DRIVER =
  'Set { "storage-driver": "btrfs" } in it, without the feature containerd-snapshotter, restart Docker, and pull the image again.';

const SET_SNAPSHOTTER =
  'Set { "features": { "containerd-snapshotter": true }, "storage-driver": "btrfs" } in it, and restart Docker.';

/**
 * @param kind the store that is booted from, as far as it is known
 * @param hasStore whether the store that Docker finds is one of the driver btrfs: it stays with that
 * @see https://docs.docker.com/engine/storage/containerd/
 */
function judgeDocker(
  docker: DockerConfig,
  kind: StoreKind | undefined,
  hasStore: boolean,
): Judgement {
  const { file, error, keepsInContainerd = false } = docker;
  if (error !== undefined) {
    return {
      config: `${file} is not valid, and Docker does not start with it`,
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
