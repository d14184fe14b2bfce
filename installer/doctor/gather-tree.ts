import { checkBootable } from "../../runtime/boot/bootable.ts";
import {
  describeFailure,
  type BootFailure,
} from "../../runtime/base/failure.ts";
import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import {
  type ListedLayer,
  bytesOf,
  showPath,
} from "../../runtime/tree/layer.ts";
import type { StoreKind } from "../../runtime/options/table.ts";
import { readEngineConfigs, type Home } from "../engines/engine-configs.ts";
import type {
  BootTarget,
  CheckedEntry,
} from "../toplayer/rules/check-facts.ts";
import { gatherCheckFacts } from "../toplayer/gather-check-facts.ts";
import { parseFstab } from "../system/formats/fstab.ts";
import type { TreeFacts } from "./rules/facts.ts";
import type { Generator } from "../generators/generator.ts";
import { findTreeProblems } from "./rules/tree-problems.ts";
import { gatherLogins } from "./gather-logins.ts";
import { gatherGenerators } from "./gather-generators.ts";
import {
  findSystemKernels,
  moduleVersions,
  readKernelVersion,
} from "../system/kernels.ts";
import { gatherStoreMount } from "./gather-store-mount.ts";
import { treeHost } from "../system/tree-host.ts";
import { readMounts } from "../../runtime/disk/mounts.ts";
import { becomesGap, findGaps } from "../../runtime/disk/subvolume-gaps.ts";

interface TreeRequest {
  readonly what: string;
  /** Where it stands. */
  readonly at: string;
  readonly layers: readonly ListedLayer[];
  readonly boot: BootTarget;
  /** Which store it comes from; `undefined` where that is not known. */
  readonly store: { readonly kind: StoreKind; readonly home: Home } | undefined;
  /** What `init=` names. */
  readonly init: string | undefined;
}

/** @throws BootError TOPLAYER_UNSUITABLE */
export async function gatherTree(
  host: Host,
  generators: readonly Generator[],
  { what, at, layers, boot, init, store }: TreeRequest,
): Promise<TreeFacts> {
  const rooted =
    at === host.path("/") ? host : treeHost(host, host.files.realPath(at));
  const modules = moduleVersions(rooted);
  const facts = await gatherCheckFacts(host, layers, at, boot);
  const engines = readEngineConfigs((file) => ({ text: facts.readText(file) }));
  return {
    what,
    hasTopLayer: layers.length > 0,
    initFailure: findInitFailure(host, at, what, init),
    modules,
    kernels: findSystemKernels(rooted).map((file) => ({
      name: file,
      file,
      version: readKernelVersion(rooted, rooted.path(file), modules),
    })),
    generators: await gatherGenerators(rooted, generators),
    problems: findTreeProblems(facts),
    unfilledGaps: findUnfilledGaps(host, at, facts.entries),
    hasRootLine: parseFstab(facts.texts.fstab.text ?? "").entries.some(
      ({ mountPoint }) => mountPoint === "/",
    ),
    engines,
    storeKind: store?.kind,
    store: gatherStoreMount(facts, engines, store?.home ?? "docker"),
    logins: gatherLogins(facts),
  };
}

function findInitFailure(
  host: Host,
  tree: string,
  what: string,
  init: string | undefined,
): BootFailure | undefined {
  try {
    // Of its warning no use is made: all kernels are looked at elsewhere.
    checkBootable(host, tree, { what, init, kernelRelease: "" });
    return undefined;
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    return describeFailure(error);
  }
}

/**
 * Where a new root keeps what a snapshot leaves of nested subvolumes: the boot does not look there, and
 * the top layer has nothing there.
 * @param entries of the top layer
 * @returns paths that begin with a slash, for people
 */
function findUnfilledGaps(
  host: Host,
  root: string,
  entries: readonly CheckedEntry[],
): string[] {
  const tree = root === "/" ? "" : root;
  const filled = new Set(findGaps(host, tree).map(({ path }) => `/${path}`));
  const mountPoints = new Set(
    readMounts(host).map(({ mountPoint }) => mountPoint),
  );
  const gaps: string[] = [];
  host.files.walkDirectories(tree, (path, status) => {
    if (mountPoints.has(bytesOf(tree, path).toString())) return false;
    if (!becomesGap(status)) return true;
    gaps.push(showPath(path));
    return false;
  });
  return gaps
    .filter((gap) => !filled.has(gap) && !isTouched(entries, gap))
    .toSorted();
}

/** Whether the top layer has a directory there, or removes it. */
function isTouched(entries: readonly CheckedEntry[], gap: string): boolean {
  return entries.some(
    ({ effect, target }) =>
      target === gap ||
      (["replace", "delete", "empty"].includes(effect) &&
        gap.startsWith(`${target}/`)),
  );
}
