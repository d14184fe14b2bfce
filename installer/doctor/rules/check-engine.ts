import type { ErrorCode } from "../../../runtime/base/errors.ts";
import type { StoreKind } from "../../../runtime/options/store-kinds.ts";
import type { EngineConfigs } from "../../engines/engine-configs.ts";
import type { DoctorFacts } from "./facts.ts";
import { ok, warning, type Finding } from "./finding.ts";
import { judgeDocker } from "./judge-docker.ts";
import { judgePodman } from "./judge-podman.ts";
import { treesOf } from "./trees.ts";

/** What a start fails at when it has found a store of which roots can be made. */
const IN_STORE: ReadonlySet<string> = new Set<ErrorCode>([
  ...(["STORE_DAMAGED", "IMAGE_MISSING", "IMAGE_AMBIGUOUS"] as const),
  ...(["IMAGE_EMPTY", "SOURCE_MISSING"] as const),
]);

/**
 * Whether the engine keeps what it pulls where dockroot looks for it: here, for the next start, and in
 * the new system, for those after it.
 */
export function checkEngine(facts: DoctorFacts): Finding[] {
  const { engines, place, starts, target } = facts;
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
  return [
    ...checkSeveral(facts),
    ...(place.kind === "running"
      ? [...kinds].map((kind) => judge("this system", engines, kind, hasStore))
      : []),
    ...trees
      .filter(({ store }) => store.hasEngine)
      .map((tree) => judge(tree.what, tree.engines, tree.storeKind, hasStore)),
  ];
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
function checkSeveral({ starts }: DoctorFacts): Finding[] {
  return starts.flatMap(({ outcome }) =>
    outcome.kind === "planned" && outcome.disk.stores.length > 1
      ? [
          warning(
            "engine",
            `${outcome.disk.storePath} holds the images of ${outcome.disk.stores.join(" and of ")}: once they say different things of ${outcome.image.reference}, no start knows which one counts`,
            `Write dockroot.store=${outcome.image.store} among the kernel options, or remove the images that are of former times.`,
          ),
        ]
      : [],
  );
}
