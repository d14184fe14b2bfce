import * as v from "valibot";
import {
  common,
  count,
  described,
  positive,
  textOrNull,
  texts,
  version,
} from "./common.ts";

const { digest, image, topLayer, failure, timedStep, uuid } = common;

const runFacts = {
  version,
  dockroot: described(v.string(), "Its version."),
  node: described(v.string(), "Node's version."),
  kernel: described(v.string(), "As uname -r prints it."),
  steps: v.array(timedStep),
  totalMs: v.pipe(v.number(), v.minValue(0)),
  waitedMs: described(
    v.nullable(count),
    "How long it waited before its first step, ready to begin; null where it was not told to wait (--when).",
  ),
  warnings: texts,
};

export const rooted = v.strictObject({
  result: described(
    v.picklist(["fresh", "kept", "fallback", "generation"]),
    "fresh: a new rwlayer; kept: the one that was there; fallback: an earlier root, because a new one could not be made; generation: the earlier root that was asked for.",
  ),
  device: v.string(),
  filesystemUuid: textOrNull,
  root: described(
    v.string(),
    "What is mounted as root, relative to the top level.",
  ),
  subvolumeUuid: uuid,
  isOverlay: described(
    v.boolean(),
    "Whether the root is an overlay, not a subvolume.",
  ),
  layers: described(
    v.nullable(texts),
    "The keys of an overlay's layers, the topmost first; null of a subvolume.",
  ),
  rwlayer: described(v.string(), "Relative to the top level."),
  boot: described(
    v.nullable(v.pipe(v.number(), v.integer())),
    "The number of the boot that made the root.",
  ),
  image: v.nullable(image),
  source: described(
    textOrNull,
    "The subvolume that the root is a snapshot of, or the topmost layer of an overlay.",
  ),
  toplayer: v.nullable(topLayer),
  deployment: described(
    v.nullable(v.pipe(v.number(), v.integer())),
    "The deployment that the root was made for; null where its boot named none.",
  ),
  hasModules: described(
    v.nullable(v.boolean()),
    "Whether the root has the running kernel's modules; null where that is not known.",
  ),
  failure: described(v.nullable(failure), "Why it is a fallback."),
  restored: described(textOrNull, "The generation that a fallback put back."),
  limits: v.strictObject({
    generations: count,
    fallback: described(
      v.picklist(["last", "none"]),
      "Whether another root than this one may start.",
    ),
    helperTimeoutMs: count,
  }),
  ...runFacts,
});

export const failed = v.strictObject({
  result: v.literal("failed"),
  failure,
  ...runFacts,
});

/** `dockroot boot --json`, and boot.json. */
export const bootRecord = v.variant("result", [rooted, failed]);

function step<const Kind extends string, const Fields extends v.ObjectEntries>(
  kind: Kind,
  fields: Fields,
) {
  return v.strictObject({
    kind: v.literal(kind),
    description: described(v.string(), "The step in words."),
    ...fields,
  });
}

const path = v.string();
const from = v.string();
const to = v.string();
const integer = v.pipe(v.number(), v.integer());

const record = v.strictObject({
  boot: positive,
  complete: v.boolean(),
  deployment: v.optional(positive),
  image,
  source: v.string(),
  layers: v.optional(
    described(texts, "The keys of an overlay's layers, the topmost first."),
  ),
  toplayer: v.nullable(topLayer),
});

export const planStep = v.variant("kind", [
  step("createDirectory", { path }),
  step("setStateAside", { path }),
  step("deleteStaging", { path }),
  step("snapshot", { from, to }),
  step("snapshotNested", { from, to }),
  step("holdLayers", {
    layers: described(
      v.array(
        v.strictObject({
          key: described(v.string(), "Its name in .dockroot/layers."),
          directory: described(v.string(), "Where it is in the store."),
        }),
      ),
      "Those that dockroot does not hold yet, the leaf layer first.",
    ),
  }),
  step("makeUpper", {
    from: described(
      path,
      "The topmost layer, or the root whose own is copied.",
    ),
    isCopied: v.boolean(),
    to,
  }),
  step("mountRoot", { path, place: v.picklist(["next", "root"]) }),
  step("mountVolatile", { path, record }),
  step("copyRootAttributes", {
    from: described(v.string(), "Where the image is shown."),
    path,
  }),
  step("mountInMemory", { path }),
  step("unmountRoot", { path }),
  step("fillGaps", {
    gaps: described(
      v.array(
        v.strictObject({
          path: described(v.string(), "Relative to the root."),
          mode: integer,
          uid: integer,
          gid: integer,
        }),
      ),
      "The directories that are made in place of what a snapshot leaves of nested subvolumes.",
    ),
    path,
  }),
  step("removeLeftOvers", { files: texts, path }),
  step("copyTopLayer", {
    from: texts,
    merge: described(
      v.strictObject({
        files: count,
        directories: count,
        symlinks: count,
        others: described(count, "FIFOs and devices."),
        replaced: described(
          count,
          "Those of the above that replace something.",
        ),
        whiteouts: count,
        skipped: described(count, "Not copied."),
      }),
      "How many entries of the top layer are merged.",
    ),
    name: v.string(),
    to,
  }),
  step("copyModules", {
    from: described(v.string(), "The ID of the kept image that has them."),
    release: described(v.string(), "The kernel's."),
    to: path,
  }),
  step("checkBootable", {
    path,
    what: v.string(),
    init: v.optional(v.string()),
    kernelRelease: v.string(),
  }),
  step("recordSubvolume", {
    path,
    record,
  }),
  step("checkPlaces", {
    places: v.array(
      v.strictObject({
        path,
        uuid: v.optional(
          described(v.string(), "Absent for the subvolume that is made."),
        ),
      }),
    ),
  }),
  step("sync", { what: v.string() }),
  step("keepAsGeneration", { from, to }),
  step("putInPlace", { from, to }),
  step("restoreGeneration", { from, to }),
]);

export const rootPlan = v.strictObject({
  version,
  result: v.picklist(["fresh", "kept"]),
  image: v.strictObject({
    reference: v.string(),
    id: digest,
    layers: positive,
  }),
  source: v.string(),
  root: v.string(),
  rwlayer: v.string(),
  toplayer: v.nullable(topLayer),
  warnings: texts,
  steps: described(
    v.array(planStep),
    "In order. Paths are relative to the top level, but for the top layer's.",
  ),
});

export const generation = v.strictObject({
  version,
  result: v.literal("generation"),
  root: described(v.string(), "The earlier root that is booted as it is."),
});

/** `dockroot boot --dry-run --json`. */
export const bootPlan = v.variant("result", [rootPlan, generation]);
