import type { ErrorCode } from "../../../../runtime/host/errors.ts";
import type { DoctorFacts } from "../facts.ts";
import { ok, warning, type Finding } from "../finding.ts";
import type { EngineConfig } from "../parse-daemon-json.ts";
import { treesOf } from "./trees.ts";

const SET_DRIVER =
  'Set { "storage-driver": "btrfs" } in it, without the feature containerd-snapshotter, restart Docker, and pull the image again.';

/** What a start fails at when it has found a store of the driver btrfs. */
const IN_STORE: ReadonlySet<string> = new Set<ErrorCode>([
  ...(["STORE_DAMAGED", "IMAGE_MISSING", "IMAGE_AMBIGUOUS"] as const),
  ...(["IMAGE_EMPTY", "SOURCE_MISSING"] as const),
]);

/**
 * Whether the engine keeps what it pulls where dockroot looks for it: here, for the next start, and in
 * the new system, for those after it.
 * @see https://docs.docker.com/engine/storage/containerd/
 */
export function checkEngine(facts: DoctorFacts): Finding[] {
  const { engine, place, starts, target } = facts;
  const hasStore =
    starts.some(
      ({ outcome }) =>
        outcome.kind === "planned" ||
        (outcome.kind === "failed" && IN_STORE.has(outcome.failure.code)),
    ) || target?.found.kind === "image";
  return [
    ...(place.kind === "running"
      ? checkConfig("this system", engine, hasStore)
      : []),
    ...treesOf(facts)
      .filter(({ store }) => store.hasEngine)
      .flatMap(({ what, engine: own }) => checkConfig(what, own, hasStore)),
  ];
}

/** @param hasStore whether the store that Docker finds is one of the driver btrfs: it stays with that */
function checkConfig(
  what: string,
  config: EngineConfig,
  hasStore: boolean,
): Finding[] {
  const { file, error, storageDriver, keepsInContainerd } = config;
  const name = `${what}: ${file}`;
  if (error !== undefined) {
    return [
      warning(
        "engine",
        `${name} makes no sense, and Docker does not start with it: ${error}`,
        "Correct it: it is a JSON object.",
      ),
    ];
  }
  if (keepsInContainerd === true) {
    return [
      warning(
        "engine",
        `${name} has the feature containerd-snapshotter: what is pulled is kept where dockroot does not look`,
        SET_DRIVER,
      ),
    ];
  }
  if (storageDriver === undefined && hasStore) {
    return [
      ok("engine", `${name} names no storage driver: Docker stays with btrfs`),
    ];
  }
  if (storageDriver === undefined) {
    return [
      warning(
        "engine",
        `${name} names no storage driver: in an empty directory Docker takes another than btrfs`,
        SET_DRIVER,
      ),
    ];
  }
  return storageDriver === "btrfs"
    ? [ok("engine", `${name} names the storage driver btrfs`)]
    : [
        warning(
          "engine",
          `${name} names the storage driver ${storageDriver}: what is pulled is kept where dockroot does not look`,
          SET_DRIVER,
        ),
      ];
}
