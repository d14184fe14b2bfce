import type { ErrorCode } from "../../../runtime/base/errors.ts";
import type { StoreKind } from "../../../runtime/options/table.ts";
import type {
  EngineConfigs,
  DockerConfig,
  PodmanConfig,
} from "../../engines/formats/engine-configs.ts";
import { type DoctorFacts, treesOf } from "./facts.ts";
import { ok, warning, type Finding } from "./finding.ts";

/** What a boot fails at when it has found a store of which roots can be made. */
const IN_STORE: ReadonlySet<string> = new Set<ErrorCode>([
  "STORE_DAMAGED",
  "IMAGE_MISSING",
  "IMAGE_AMBIGUOUS",
  "IMAGE_EMPTY",
  "SOURCE_MISSING",
]);

/**
 * Whether the engine keeps what it pulls where dockroot looks for it: here, for the next boot, and in
 * the new system, for those after it.
 */
export function* checkEngine(facts: DoctorFacts): Iterable<Finding> {
  const { engines, place, starts, target } = facts;
  yield* checkSeveral(facts);
  const trees = treesOf(facts);
  const failures = [
    ...starts.map(({ outcome }) => outcome),
    target?.found,
  ].flatMap((found) => (found?.kind === "failed" ? [found.failure.code] : []));
  const hasStore =
    starts.some(
      ({ outcome }) =>
        outcome.kind === "planned" ||
        (outcome.kind === "generation" && facts.hasImages),
    ) ||
    failures.some((code) => IN_STORE.has(code)) ||
    target?.found.kind === "image";
  const kinds = new Set(trees.map(({ engine }) => engine.storeKind));
  // Where no root can be made of a store, that finding says all that is to be done.
  if (kinds.size === 0 && !failures.includes("STORE_UNSUPPORTED")) {
    kinds.add(undefined);
  }
  if (place.kind === "running") {
    for (const kind of kinds) {
      if (!facts.hasEngine[kind === "podman" ? "podman" : "docker"]) continue;
      yield judge("this system", engines, kind, hasStore);
    }
  }
  for (const { what, engine } of trees) {
    if (!engine.isInstalled) continue;
    yield judge(what, engine.configs, engine.storeKind, hasStore);
  }
}

/** Stores side by side, whose answers may come to differ. */
function* checkSeveral({ starts }: DoctorFacts): Iterable<Finding> {
  for (const { outcome } of starts) {
    if (outcome.kind !== "planned" || outcome.disk.stores.length <= 1) continue;
    const { disk, image } = outcome;
    if (image.store === "kept") continue;
    yield warning(
      "engine",
      `${disk.storePath} holds the images of ${disk.stores.join(" and of ")}: if these come to have different images named ${image.reference}, the boot cannot choose`,
      `Add dockroot.store=${image.store} to the kernel options, or remove the images that are no longer used.`,
    );
  }
}

/**
 * What a configuration says ("/etc/docker/daemon.json names the storage driver btrfs"), and where images are then
 * not kept where they are booted from: what comes of it, and what to do.
 */
type Judgement = readonly [
  says: string,
  ...wrong: [] | [problem: string, remedy: string],
];

/** @param hasStore whether the engine finds a store of btrfs: it may stay with that */
function judge(
  what: string,
  { docker, podman }: EngineConfigs,
  kind: StoreKind | undefined,
  hasStore: boolean,
): Finding {
  const [says, ...wrong] =
    kind === "podman"
      ? judgePodman(podman, hasStore)
      : judgeDocker(docker, kind, hasStore);
  const message = `${what}: ${says}`;
  if (wrong.length === 0) return ok("engine", message);
  const [problem, remedy] = wrong;
  return warning("engine", `${message}: ${problem}`, remedy);
}

/** What a configuration does not say. */
function describeAbsence(
  { file, isPresent }: DockerConfig | PodmanConfig,
  what: string,
): string {
  return isPresent ? `${file} ${what}` : `there is no ${file}`;
}

const SET_PODMAN_DRIVER =
  'Set driver = "btrfs" under [storage] in /etc/containers/storage.conf; a new file also needs runroot = "/run/containers/storage" and graphroot = "/var/lib/containers/storage" there.';

/** @param hasStore whether there is a store already, with whose driver Podman stays */
function judgePodman(podman: PodmanConfig, hasStore: boolean): Judgement {
  const { file, error, driver } = podman;
  if (error !== undefined) {
    return [
      `${file} is not valid, so Podman does not start`,
      error,
      "Correct it: it must be valid TOML.",
    ];
  }
  if (driver === "btrfs") return [`${file} names the driver btrfs`];
  if (driver !== undefined) {
    return [
      `${file} names the driver ${driver}`,
      "no root can be made from images that it pulls, unless Podman's database has the store's driver; then Podman complains at each call",
      SET_PODMAN_DRIVER,
    ];
  }
  const says = describeAbsence(podman, "names no driver");
  return hasStore
    ? [`${says}: Podman stays with btrfs`]
    : [
        says,
        "in an empty directory Podman chooses another driver than btrfs",
        SET_PODMAN_DRIVER,
      ];
}

const SET_DRIVER =
  'Set { "storage-driver": "btrfs" } in /etc/docker/daemon.json, without the feature containerd-snapshotter, restart Docker, and pull the image again.';

const SET_SNAPSHOTTER =
  'Set { "features": { "containerd-snapshotter": true }, "storage-driver": "btrfs" } in /etc/docker/daemon.json, and restart Docker.';

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
  const { file, error, storageDriver, keepsInContainerd = false } = docker;
  if (error !== undefined) {
    return [
      `${file} is not valid, so Docker does not start`,
      error,
      "Correct it: it must hold one JSON object.",
    ];
  }
  if (docker.hasUserNamespace && !keepsInContainerd) {
    return [
      `${file} has "userns-remap"`,
      "pulled images go to a directory of their own and belong to other users than root, and no root can be made from them",
      'Remove "userns-remap" from it, restart Docker, and pull the image again.',
    ];
  }
  if (kind === "containerd" && !keepsInContainerd) {
    return [
      describeAbsence(
        docker,
        "does not enable the feature containerd-snapshotter",
      ),
      "pulled images may go to another store than containerd's, which has the image to boot",
      SET_SNAPSHOTTER,
    ];
  }
  const feature = `${file} enables the feature containerd-snapshotter`;
  if (kind === "graphdriver" && keepsInContainerd) {
    return [
      feature,
      "pulled images go to containerd's store, but the image to boot is in Docker's own",
      SET_DRIVER,
    ];
  }
  if (keepsInContainerd) {
    const driver =
      storageDriver === undefined
        ? "names no storage driver"
        : `names the storage driver ${storageDriver}`;
    if (storageDriver === "btrfs") return [`${feature} and ${driver}`];
    return [
      `${feature} and ${driver}`,
      `pulled images are unpacked by ${storageDriver ?? "overlayfs"}, and no root can be made from them`,
      SET_SNAPSHOTTER,
    ];
  }
  if (storageDriver === "btrfs") {
    return [`${file} names the storage driver btrfs`];
  }
  if (storageDriver !== undefined) {
    return [
      `${file} names the storage driver ${storageDriver}`,
      "pulled images go where dockroot does not look",
      SET_DRIVER,
    ];
  }
  const says = describeAbsence(docker, "names no storage driver");
  return hasStore
    ? [`${says}: Docker stays with btrfs`]
    : [
        says,
        "in an empty directory Docker chooses overlay2, or overlayfs from release 29 on, instead of btrfs",
        SET_DRIVER,
      ];
}
