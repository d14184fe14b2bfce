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
      const tree = trees.find(({ engine }) => engine.storeKind === kind);
      const driver = tree && driverOf(tree.engine);
      yield judge("this system", engines, { kind, driver, hasStore });
    }
  }
  for (const { what, engine } of trees) {
    if (!engine.isInstalled) continue;
    const { configs, storeKind: kind } = engine;
    const driver = driverOf(engine);
    yield judge(what, configs, { kind, driver, hasStore });
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

/** The store that is booted from, as far as it is known. */
interface BootedStore {
  readonly kind: StoreKind | undefined;
  /** What makes its trees; `undefined` where a root is made of either. */
  readonly driver: Driver | undefined;
  /** Whether the engine finds a store: it may stay with that. */
  readonly hasStore: boolean;
}

type Driver = "btrfs" | "overlay";

function driverOf({ isOverlay }: { readonly isOverlay: boolean }): Driver {
  return isOverlay ? "overlay" : "btrfs";
}

/** What engines call them. */
const NAMES: Readonly<Record<Driver, readonly string[]>> = {
  btrfs: ["btrfs"],
  overlay: ["overlay2", "overlayfs", "overlay"],
};

function isOf(driver: Driver | undefined, name: string): boolean {
  const known =
    driver === undefined ? Object.values(NAMES).flat() : NAMES[driver];
  return known.includes(name);
}

function judge(
  what: string,
  { docker, podman }: EngineConfigs,
  store: BootedStore,
): Finding {
  const [says, ...wrong] =
    store.kind === "podman"
      ? judgePodman(podman, store)
      : judgeDocker(docker, store);
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

function setPodmanDriver(driver: Driver = "overlay"): string {
  return `Set driver = "${driver}" under [storage] in /etc/containers/storage.conf; a new file also needs runroot = "/run/containers/storage" and graphroot = "/var/lib/containers/storage" there.`;
}

function judgePodman(
  podman: PodmanConfig,
  { driver: wanted, hasStore }: BootedStore,
): Judgement {
  const { file, error, driver } = podman;
  if (error !== undefined) {
    return [
      `${file} is not valid, so Podman does not start`,
      error,
      "Correct it: it must be valid TOML.",
    ];
  }
  if (driver !== undefined) {
    const says = `${file} names the driver ${driver}`;
    return isOf(wanted, driver)
      ? [says]
      : [
          says,
          "pulled images go where dockroot does not look, unless Podman's database has the store's driver; then Podman complains at each call",
          setPodmanDriver(wanted),
        ];
  }
  const says = describeAbsence(podman, "names no driver");
  return hasStore && wanted !== undefined
    ? [`${says}: Podman stays with ${wanted}`]
    : [says];
}

function setDockerDriver(driver: Driver = "overlay"): string {
  const name = driver === "btrfs" ? "btrfs" : "overlay2";
  return `Set { "storage-driver": "${name}" } in /etc/docker/daemon.json, without the feature containerd-snapshotter, restart Docker, and pull the image again.`;
}

function setSnapshotter(driver: Driver | undefined): string {
  const named = driver === "btrfs" ? ', "storage-driver": "btrfs"' : "";
  return `Set { "features": { "containerd-snapshotter": true }${named} } in /etc/docker/daemon.json, and restart Docker.`;
}

/** @see https://docs.docker.com/engine/storage/containerd/ */
function judgeDocker(
  docker: DockerConfig,
  { kind, driver: wanted, hasStore }: BootedStore,
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
      setSnapshotter(wanted),
    ];
  }
  const feature = `${file} enables the feature containerd-snapshotter`;
  if (kind === "graphdriver" && keepsInContainerd) {
    return [
      feature,
      "pulled images go to containerd's store, but the image to boot is in Docker's own",
      setDockerDriver(wanted),
    ];
  }
  if (keepsInContainerd) {
    const driver =
      storageDriver === undefined
        ? "names no storage driver"
        : `names the storage driver ${storageDriver}`;
    const unpacker = storageDriver ?? "overlayfs";
    if (isOf(wanted, unpacker)) return [`${feature} and ${driver}`];
    return [
      `${feature} and ${driver}`,
      `pulled images are unpacked by ${unpacker}, and no root of this kind can be made from them`,
      setSnapshotter(wanted),
    ];
  }
  if (storageDriver !== undefined) {
    const says = `${file} names the storage driver ${storageDriver}`;
    return isOf(wanted, storageDriver)
      ? [says]
      : [
          says,
          "pulled images go where dockroot does not look",
          setDockerDriver(wanted),
        ];
  }
  const says = describeAbsence(docker, "names no storage driver");
  return hasStore && wanted !== undefined
    ? [
        `${says}: Docker stays with ${wanted === "btrfs" ? "btrfs" : "overlay2"}`,
      ]
    : [says];
}
