import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { listLayers } from "../../runtime/toplayer/list-layer.ts";
import { bytesOf } from "../../runtime/tree/layer.ts";
import type { Progress } from "../cli/progress.ts";
import {
  withComparedRoot,
  type ComparedRoot,
  type RootDiff,
} from "../diff/diff-root.ts";
import { chooseChanges } from "../diff/formats/format-diff.ts";
import { tellChange, type ToldChange } from "../diff/formats/group-changes.ts";
import { readOwnedFiles } from "../packages/owned-files.ts";
import type { PackageChanges } from "../packages/formats/package-lists.ts";
import { readBootTarget } from "../system/boot-target.ts";
import type { StoreChoice } from "../system/find-store.ts";
import { gatherCheckFacts } from "../toplayer/gather-check-facts.ts";
import { findProblems } from "../toplayer/rules/find-problems.ts";
import type { Problem } from "../toplayer/rules/problem.ts";
import { applyPromotion } from "./apply-promotion.ts";
import { withLayer, type LayerPlace } from "./layer-place.ts";
import {
  planPromotion,
  type Promotion,
  type PromotionFacts,
} from "./plan/plan-promotion.ts";
import { recoverLayer, replaceLayer } from "./replace-layer.ts";

export interface PromoteRequest {
  readonly store: StoreChoice;
  /** Absolute: what has changed there, or below. */
  readonly paths: readonly string[];
  /** The top layer's directory, absolute; `undefined`: that of this boot. */
  readonly toplayer: string | undefined;
  readonly isDry: boolean;
  /** Whether what the top layer has by now is overwritten. */
  readonly isForced: boolean;
  /** Asks for each change; `undefined`: all of them. */
  readonly choose: ((change: ToldChange) => Promise<boolean>) | undefined;
}

export interface PromotionResult extends Promotion {
  readonly root: RootDiff["root"];
  /** The top layer, for people. */
  readonly layer: string;
  readonly packages: PackageChanges | undefined;
}

/**
 * Carries changes of the root that runs into the top layer, so that the next root has them.
 * @throws BootError as `withComparedRoot` and `withLayer`; TOPLAYER_UNSUITABLE where the top layer would have an error
 *   that it has not: then, as with all else that is thrown, it is as it was
 */
export function promote(
  host: Host,
  request: PromoteRequest,
  progress: Progress,
): Promise<PromotionResult> {
  const { store, paths, isDry } = request;
  return withComparedRoot(
    host,
    { store, generation: undefined },
    progress,
    (root) =>
      withLayer(host, root.deploy, request.toplayer, async (place) => {
        await recoverLayer(host, place.at);
        requireLayer(host, place);
        const { diff, trees } = root;
        const { chosen } = chooseChanges({ diff, paths, isAll: false });
        const wanted = await filter(chosen, request.choose);
        const facts = await gatherFacts(host, root, place.at, request);
        const promotion = planPromotion(wanted, facts);
        const { packages } = diff;
        const result = {
          ...promotion,
          root: diff.root,
          layer: place.name,
          packages,
        };
        refuseConflicts(result);
        if (isDry || promotion.promoted.length === 0) return result;
        await progress("copying it into the top layer", () =>
          replaceLayer(host, place.at, async (next) => {
            await applyPromotion(host, trees, next, promotion);
            await refuseNewErrors(host, root, place, next);
          }),
        );
        return result;
      }),
  );
}

async function filter(
  changes: readonly ToldChange[],
  choose: PromoteRequest["choose"],
): Promise<readonly ToldChange[]> {
  if (choose === undefined) return changes;
  const chosen: ToldChange[] = [];
  for (const change of changes) {
    if (await choose(change)) chosen.push(change);
  }
  return chosen;
}

/** @throws BootError TOPLAYER_MISSING */
function requireLayer(host: Host, { at, name }: LayerPlace): void {
  const kind = host.files.statusOf(at)?.kind;
  if (kind === "directory") return;
  throw new BootError(
    "TOPLAYER_MISSING",
    `the top layer ${name} is ${kind === undefined ? "absent" : "not a directory"}`,
    { hint: "dockroot toplayer init DIR makes one." },
  );
}

async function gatherFacts(
  host: Host,
  { deploy, record, trees, diff }: ComparedRoot,
  layer: string,
  { paths, isForced }: PromoteRequest,
): Promise<PromotionFacts> {
  const { files } = host;
  const kindIn = (tree: string) => (file: string) =>
    files.statusOf(bytesOf(tree, file))?.kind;
  const layerKind = kindIn(layer);
  const image = deploy.disk.at(record.source);
  const isImageThere = files.statusOf(image)?.kind === "directory";
  const baseKind = kindIn(trees.before);
  return {
    layerKind,
    // Where the image is gone, it may have had what init got.
    imageKind: isImageThere ? kindIn(image) : baseKind,
    hasLayerChanged: (file) =>
      !isForced && hasLayerChanged(host, layer, trees.before, file),
    isOfPackage: await findPackageFiles(host, trees, diff),
    isNamed: (file) =>
      paths.includes(`/${Buffer.from(file, "latin1").toString("utf8")}`),
  };
}

/** Whether the top layer has something other at a place than what init got from it. */
function hasLayerChanged(
  host: Host,
  layer: string,
  before: string,
  file: string,
): boolean {
  const { files } = host;
  const [own, was] = [layer, before].map((tree) =>
    files.wholeStatusOf(bytesOf(tree, file)),
  );
  if (own === undefined || own.kind === "directory") return false;
  if (was?.kind !== own.kind) return true;
  return own.kind === "file"
    ? own.sizeBytes !== was.sizeBytes ||
        !files.hasSameContent(bytesOf(layer, file), bytesOf(before, file))
    : own.target !== was.target || own.device !== was.device;
}

/** Where package managers keep what they know: it is of no use without the files of the packages. */
const DATABASES: ReadonlySet<string> = new Set([
  ...["var/lib/dpkg", "var/lib/pacman", "var/lib/rpm", "var/lib/apk"],
  ...["usr/lib/sysimage/rpm", "lib/apk", "usr/lib/apk", "var/lib/dnf"],
]);

/** Which files belong to packages that have come or changed since, and with them what was made where programs are. */
async function findPackageFiles(
  host: Host,
  { after }: ComparedRoot["trees"],
  { packages, changes }: RootDiff,
): Promise<(file: string) => boolean> {
  const isInDatabase = (file: string) =>
    [...DATABASES].some(
      (directory) => file === directory || file.startsWith(`${directory}/`),
    );
  if (packages === undefined) return isInDatabase;
  const come = [...packages.added, ...packages.changed];
  if (come.length + packages.removed.length === 0) return isInDatabase;
  const owned = await readOwnedFiles(
    host,
    after,
    packages.manager,
    new Set(come.map(({ name }) => name)),
  );
  const programs = new Set(
    changes
      .map(tellChange)
      .filter(({ group }) => group === "packages")
      .map(({ path }) => path),
  );
  return (file) =>
    isInDatabase(file) || owned.has(`/${file}`) || programs.has(file);
}

/** @throws BootError TOPLAYER_UNSUITABLE */
function refuseConflicts({ skipped, layer }: PromotionResult): void {
  const conflicts = skipped.filter(({ why }) => why === "conflict");
  if (conflicts.length === 0) return;
  const names = conflicts.map(({ change }) => change.shown);
  throw new BootError(
    "TOPLAYER_UNSUITABLE",
    `the top layer ${layer} has been changed since this boot where this root has, too: ${names.slice(0, 5).join(", ")}${names.length > 5 ? " and others" : ""}`,
    {
      hint: "Nothing was changed. Bring both together by hand, or overwrite what the top layer has: --force.",
    },
  );
}

/** @throws BootError TOPLAYER_UNSUITABLE */
async function refuseNewErrors(
  host: Host,
  { deploy, record }: ComparedRoot,
  { at, below, name }: LayerPlace,
  next: string,
): Promise<void> {
  const root = deploy.disk.at(record.source);
  // Without the image nothing can be checked.
  if (host.files.statusOf(root)?.kind !== "directory") return;
  const check = (layer: string) =>
    findErrors(host, [...below, layer], root, name);
  const known = new Set((await check(at)).map(describe));
  const errors = (await check(next)).filter(
    (problem) => !known.has(describe(problem)),
  );
  const [first] = errors;
  if (first === undefined) return;
  throw new BootError(
    "TOPLAYER_UNSUITABLE",
    `with this the top layer would have an error: ${describe(first)}`,
    {
      hint: "Nothing was changed. Leave it out, or carry over what it needs, too.",
    },
  );
}

async function findErrors(
  host: Host,
  directories: readonly string[],
  root: string,
  name: string,
): Promise<readonly Problem[]> {
  const places = directories.map((at) => ({ at, isOwnerless: false }));
  const { layers } = await listLayers(host, places, name);
  const image = { root, leaf: root };
  const target = { ...readBootTarget(host), isOverlay: false };
  const facts = await gatherCheckFacts(host, layers, image, target);
  return findProblems(facts).filter(({ level }) => level === "error");
}

function describe({ path: file, message }: Problem): string {
  return file === null ? message : `${file}: ${message}`;
}
