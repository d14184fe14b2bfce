import { quote } from "../base/quote.ts";
import path from "node:path";
import type { BlockDevice } from "../disk/device.ts";
import type { SubvolumeState } from "../disk/disk.ts";
import type { BootFacts, TopLayerFacts } from "./facts.ts";
import { isBelow } from "../base/is-below.ts";
import { BootError } from "../base/errors.ts";
import { formatImageReference } from "../images/image-ref.ts";
import {
  findRecord,
  describeAdopted,
  lastBootOf,
  type SubvolumeRecord,
} from "../records/rwlayer-state.ts";
import {
  generationNumbers,
  LAYERS,
  nextGeneration,
  rwlayerPaths,
} from "../options/rwlayer-names.ts";
import type { MergePlan } from "../tree/merge-plan.ts";
import type { Step, StepRecord } from "./steps.ts";

/** What a boot is to do. */
export interface BootPlan {
  /** Whether root is a new rwlayer, or the one that was there. */
  readonly result: "fresh" | "kept";
  /** What is noticed and mended, or left as it is. */
  readonly warnings: readonly string[];
  readonly steps: readonly Step[];
}

/**
 * Decides how root is made. Touches nothing.
 * @throws BootError DEVICE_UNSUITABLE where the disk takes no writes, RWLAYER_FOREIGN where
 *   something that is not ours stands in the way
 */
export function planBoot(facts: BootFacts): BootPlan {
  if (facts.modes.upper === "tmpfs") return planVolatile(facts);
  refuseForeignRwlayer(facts);
  const origin = chooseOrigin(facts);
  return origin === undefined ? planKept(facts) : planSwap(facts, origin);
}

/** What a new root is made from. */
interface Origin extends Pick<SubvolumeRecord, "image" | "layers" | "source"> {
  /** The subvolume that a snapshot is taken of, or what an overlay begins with: the image's source or the present rwlayer. */
  readonly from: string;
}

/** @returns `undefined` where the present rwlayer is kept as it is */
export function chooseOrigin({
  image,
  modes,
  paths,
  reference,
  rwlayer: { record },
  topLayer,
}: Pick<
  BootFacts,
  "image" | "modes" | "paths" | "reference" | "rwlayer" | "topLayer"
>): Origin | undefined {
  // containerd's store has another ID of an image than the others, who take the configuration's digest.
  const ids: readonly string[] = [image.id, image.configId];
  if (
    modes.rwlayerMode !== "keep" ||
    record?.complete !== true ||
    !ids.includes(record.image.id)
  ) {
    return originOfImage({ image, reference });
  }
  const copiesAgain =
    modes.topLayerMode === "always" &&
    topLayer !== undefined &&
    record.toplayer?.digest !== topLayer.record.digest;
  // Not copied into the rwlayer as it stands: power could fail half-way.
  return copiesAgain
    ? {
        from: paths.rwlayer,
        image: record.image,
        source: record.source,
        ...(record.layers && { layers: record.layers }),
      }
    : undefined;
}

function originOfImage({
  image,
  reference,
}: Pick<BootFacts, "image" | "reference">): Origin {
  return {
    from: image.source,
    image: { reference: formatImageReference(reference, image), id: image.id },
    source: image.source,
    ...(image.layers && { layers: image.layers.map(({ key }) => key) }),
  };
}

function planKept(facts: BootFacts): BootPlan {
  const { topLayer, paths, init, kernelRelease } = facts;
  const { rwlayer } = paths;
  const { record, isAdopted } = facts.rwlayer;
  const warnings: string[] = [];
  if (isAdopted) warnings.push(describeAdopted(rwlayer, paths));
  if (record?.toplayer?.digest !== topLayer?.record.digest) {
    warnings.push(
      topLayer === undefined
        ? `${rwlayer} is kept; there is no longer a top layer, and the files that were copied from it stay (dockroot.rwlayer=fresh makes a new root)`
        : `${rwlayer} is kept; the top layer has changed, and the changes are not copied (dockroot.rwlayer=fresh makes a new root, dockroot.toplayer=always copies it)`,
    );
  }
  const what = "the root that is kept";
  const check = { path: rwlayer, what, init, kernelRelease };
  const steps: Step[] = [{ kind: "checkBootable", ...check }];
  if (record?.layers !== undefined) {
    steps.unshift({ kind: "mountRoot", path: rwlayer, place: "root" });
    const layers = facts.missingLayers.filter(({ key }) =>
      record.layers?.includes(key),
    );
    if (layers.length > 0) steps.unshift({ kind: "holdLayers", layers });
  }
  return { result: "kept", warnings, steps };
}

/** Nothing on the disk is changed but for layers that are not held yet. */
function planVolatile(facts: BootFacts): BootPlan {
  const { missingLayers, paths, topLayer } = facts;
  const { from: _, ...origin } = originOfImage(facts);
  const steps: Step[] = [];
  if (missingLayers.length > 0) {
    refuseReadOnly(facts);
    steps.push({ kind: "holdLayers", layers: missingLayers });
  }
  const record = recordOf(facts, origin, topLayer, true);
  const root = paths.rwlayer;
  steps.push(
    { kind: "mountVolatile", path: root, record },
    { kind: "copyRootAttributes", from: facts.tree, path: root },
    ...fillRoot(facts, root, true),
  );
  return { result: "fresh", warnings: [], steps };
}

/** Makes the next rwlayer aside, makes it durable, and puts it in the present one's place. */
function planSwap(facts: BootFacts, { from, ...origin }: Origin): BootPlan {
  const { topLayer } = facts;
  const { rwlayer, staging, state, generations } = facts.paths;
  const isOfImage = from !== rwlayer;
  refuseReadOnly(facts);
  refuseForeignStaging(facts);
  const recordAs = (complete: boolean): Step => ({
    kind: "recordSubvolume",
    path: staging,
    record: recordOf(facts, origin, topLayer, complete),
  });
  const steps: Step[] = [{ kind: "createDirectory", path: generations }];
  if (facts.stateDamage !== undefined) {
    // Only what no version of dockroot can read.
    if (facts.stateDamage.code === "STATE_TOO_NEW") throw facts.stateDamage;
    steps.push({ kind: "setStateAside", path: state });
  }
  if (facts.staging.kind !== "nothing") {
    steps.push({ kind: "deleteStaging", path: staging });
  }
  const isOverlay = origin.layers !== undefined;
  steps.push(
    ...(isOverlay
      ? beginOverlay(facts, from, recordAs(false))
      : beginSubvolume(facts, from, recordAs(false))),
  );
  steps.push(...fillRoot(facts, staging, isOfImage));
  const former = facts.rwlayer.record;
  const made = { path: staging, uuid: undefined };
  if (isOverlay) steps.push({ kind: "unmountRoot", path: staging });
  steps.push(
    recordAs(true),
    { kind: "sync", what: "the new root" },
    {
      kind: "checkPlaces",
      places: former ? [made, { path: rwlayer, uuid: former.uuid }] : [made],
    },
  );
  if (former !== undefined) {
    const to = path.join(generations, nextGeneration(facts.generations));
    steps.push({ kind: "keepAsGeneration", from: rwlayer, to });
  }
  steps.push(
    { kind: "putInPlace", from: staging, to: rwlayer },
    // Else what is written to the new root could be durable before its name is.
    { kind: "sync", what: "the renames" },
  );
  if (isOverlay) {
    steps.push({ kind: "mountRoot", path: rwlayer, place: "root" });
  }
  const warnings = describeRepairs(facts);
  if (isOfImage) return { result: "fresh", warnings, steps };
  const change = `${rwlayer} is kept; the top layer has changed and is copied again`;
  return { result: "kept", warnings: [change, ...warnings], steps };
}

function recordOf(
  { state, modes: { deployment } }: BootFacts,
  origin: Omit<Origin, "from">,
  topLayer: TopLayerFacts | undefined,
  complete: boolean,
): StepRecord {
  return {
    boot: lastBootOf(state) + 1,
    ...origin,
    toplayer: topLayer?.record ?? null,
    ...(deployment !== undefined && { deployment }),
    complete,
  };
}

/** What is done to a root that has just been begun. */
function fillRoot(facts: BootFacts, root: string, isOfImage: boolean): Step[] {
  const { topLayer, merge, engineArtifacts, modulesFrom } = facts;
  const { init, kernelRelease } = facts;
  const steps: Step[] = [];
  if (isOfImage && engineArtifacts.length > 0) {
    const files = engineArtifacts;
    steps.push({ kind: "removeLeftOvers", files, path: root });
  }
  if (topLayer !== undefined) {
    if (merge === undefined) throw new Error("the merge was not planned");
    if (merge instanceof BootError) throw merge;
    const { name } = topLayer.record;
    steps.push({ kind: "copyTopLayer", merge, name, to: root });
  }
  if (modulesFrom !== undefined) {
    const release = kernelRelease;
    steps.push({ kind: "copyModules", from: modulesFrom, release, to: root });
  }
  const what =
    topLayer === undefined ? "the image" : "the image with the top layer";
  steps.push({ kind: "checkBootable", path: root, what, init, kernelRelease });
  return steps;
}

function beginSubvolume(
  { gaps, paths }: BootFacts,
  from: string,
  record: Step,
): Step[] {
  const { rwlayer, staging: to } = paths;
  const steps: Step[] = [{ kind: "snapshot", from, to }, record];
  if (from === rwlayer) steps.push({ kind: "snapshotNested", from, to });
  else if (gaps.length > 0) steps.push({ kind: "fillGaps", gaps, path: to });
  return steps;
}

/** It is mounted when this is done. */
function beginOverlay(
  { image, missingLayers, paths, tree }: BootFacts,
  from: string,
  record: Step,
): Step[] {
  const { rwlayer, staging: to } = paths;
  const leaf = path.join(LAYERS, image.layers?.[0]?.key ?? "");
  const isCopied = from === rwlayer;
  const isHeld = isCopied || missingLayers.length === 0;
  return [
    ...(isHeld ? [] : [{ kind: "holdLayers", layers: missingLayers } as const]),
    { kind: "createDirectory", path: to },
    record,
    { kind: "makeUpper", from: isCopied ? from : leaf, isCopied, to },
    { kind: "mountRoot", path: to, place: "next" },
    ...(isCopied
      ? []
      : [{ kind: "copyRootAttributes", from: tree, path: to } as const]),
  ];
}

/** What the boot warns of, and what its merge of the top layer does. */
export function listWarnings({ warnings, steps }: BootPlan): string[] {
  return [...warnings, ...(findMerge(steps)?.warnings ?? [])];
}

export function findMerge(steps: readonly Step[]): MergePlan | undefined {
  return steps.find((step) => step.kind === "copyTopLayer")?.merge;
}

function describeRepairs(facts: BootFacts): string[] {
  const { paths, state, stateDamage, staging, rwlayer } = facts;
  const repairs: string[] = [];
  if (rwlayer.isAdopted) repairs.push(describeAdopted(paths.rwlayer, paths));
  if (stateDamage !== undefined) {
    repairs.push(
      `${stateDamage.message}: it is kept under another name, and the subvolumes that it listed are left alone`,
    );
  }
  if (staging.kind !== "nothing") {
    repairs.push(
      `an earlier boot was interrupted: the unfinished root ${paths.staging} is deleted`,
    );
  }
  const newest = generationNumbers(facts.generations).at(-1);
  if (
    rwlayer.kind === "nothing" &&
    newest !== undefined &&
    state.subvolumes.length > 0
  ) {
    repairs.push(
      `${paths.rwlayer} does not exist, as after an interrupted boot; the newest earlier root is ${path.join(paths.generations, String(newest))}`,
    );
  }
  return repairs;
}

function refuseReadOnly({ device, isReadOnly }: BootFacts): void {
  if (!isReadOnly) return;
  throw new BootError(
    "DEVICE_UNSUITABLE",
    `${device.path} can only be mounted read-only`,
    {
      hint: "The disk is write-protected, or the kernel has found errors: dmesg | tail. Nothing was changed.",
    },
  );
}

function refuseForeignRwlayer({
  device,
  image,
  paths,
  rwlayer,
  stateDamage,
}: BootFacts): void {
  const refuse = (what: string) =>
    new BootError("RWLAYER_FOREIGN", what, {
      cause: stateDamage,
      hint: `${moveAway(device, paths.rwlayer)}; or give the rwlayer another name with ${image.layers === undefined ? "rootflags=subvol" : "dockroot.root"}=.`,
    });
  if (rwlayer.kind === "other" && rwlayer.owner !== undefined) {
    const place = path.join(rwlayerPaths(rwlayer.owner).generations, "N");
    throw new BootError(
      "RWLAYER_FOREIGN",
      `${paths.rwlayer} is a root of the rwlayer ${rwlayer.owner}, and does not boot from here`,
      {
        hint: `To boot it, move it to ${place}, with a number N that is free, and boot with dockroot.root=${place}.`,
      },
    );
  }
  if (rwlayer.kind === "other" || rwlayer.kind === "begun") {
    throw refuse(
      image.layers === undefined
        ? `${paths.rwlayer} is not a subvolume, so dockroot did not make it and leaves it alone`
        : `${paths.rwlayer} has no root.json of dockroot's, so dockroot did not make it and leaves it alone`,
    );
  }
  if (rwlayer.kind === "subvolume" && rwlayer.record === undefined) {
    throw refuse(
      `the subvolume ${paths.rwlayer} ${stateDamage === undefined ? "was not made by dockroot" : "cannot be proved to be dockroot's own"}, which leaves it alone`,
    );
  }
}

/** Only what is provably half-made and ours may be deleted. */
function refuseForeignStaging(facts: BootFacts): void {
  const { device, paths, staging } = facts;
  if (["nothing", "begun", "root"].includes(staging.kind)) return;
  if (staging.kind === "subvolume" && isHalfMade(facts, staging)) return;
  throw new BootError(
    "RWLAYER_FOREIGN",
    staging.kind === "subvolume"
      ? `the subvolume ${paths.staging} cannot be proved to be left over from an interrupted boot, and is left alone`
      : `${paths.staging} is not a root, so dockroot did not make it`,
    { cause: facts.stateDamage, hint: `${moveAway(device, paths.staging)}.` },
  );
}

/**
 * A staging is in the state file, but for the moment between its snapshot and the record: then it
 * is a snapshot of a layer or of a root of ours, with nothing written to it.
 */
function isHalfMade(
  { storePath, stagingOrigin, state, image }: BootFacts,
  { record, subvolume }: SubvolumeState,
): boolean {
  if (record !== undefined) return true;
  const { lastChange, madeBy, parentUuid } = subvolume;
  // The layers' directory may be elsewhere, by a link in the store.
  const isOfLayer = [storePath, path.dirname(image.source)].some(
    (directory) =>
      stagingOrigin !== undefined && isBelow(stagingOrigin, directory),
  );
  const isOfOurs =
    parentUuid !== undefined && findRecord(state, parentUuid) !== undefined;
  return lastChange === madeBy && (isOfLayer || isOfOurs);
}

function moveAway(device: BlockDevice, file: string): string {
  const [from, to] = [`/mnt/${file}`, `/mnt/${file}.old`].map(quote);
  // Access times would be writes, and a staging could no longer be told to be untouched.
  const { fsType = "btrfs" } = device;
  const whole = fsType === "btrfs" ? ",subvolid=5" : "";
  return `Keep it under another name: mkdir -p /mnt; mount -t ${fsType} -o noatime${whole} ${device.path} /mnt; mv ${String(from)} ${String(to)}; umount /mnt`;
}
