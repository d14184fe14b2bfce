import path from "node:path";
import { BootError } from "./host/errors.ts";
import { formatImageReference, type ImageReference } from "./image-ref.ts";
import {
  DOCKROOT_DIRECTORY,
  type RwlayerPaths,
  type RwlayerState,
} from "./rwlayer-state.ts";
import type { Step } from "./steps.ts";
import type { FoundImage } from "./stores/store.ts";

/** What stands at a path on the top level. */
export type Standing =
  | { readonly kind: "nothing" }
  | { readonly kind: "subvolume"; readonly uuid: string }
  | { readonly kind: "other" };

export interface TopLayerFacts {
  /** Where its directory is mounted. */
  readonly at: string;
  /** How the user calls it. */
  readonly name: string;
  /** Its path on the top level, where it lies on the root filesystem itself. */
  readonly onTopLevel: string | undefined;
}

/** All that deciding needs to know of the machine. */
export interface BootFacts {
  readonly reference: ImageReference;
  readonly image: FoundImage;
  /** The image store's directory, symlinks resolved. */
  readonly storePath: string;
  readonly paths: RwlayerPaths;
  readonly state: RwlayerState;
  readonly rwlayer: Standing;
  readonly staging: Standing;
  /** The names in the generations' directory. */
  readonly generations: readonly string[];
  readonly topLayer: TopLayerFacts | undefined;
  readonly init: string | undefined;
  readonly kernelRelease: string;
}

/**
 * Decides how the new rwlayer is made. Touches nothing.
 * @throws BootError RWLAYER_FOREIGN where something that is not ours stands in the way
 */
export function planBoot(facts: BootFacts): Step[] {
  const { image, paths, state, topLayer } = facts;
  refuseOverlap(facts);
  refuseForeign(facts);
  const lastBoot = Math.max(0, ...state.subvolumes.map(({ boot }) => boot));
  const steps: Step[] = [{ kind: "createDirectory", path: paths.generations }];
  if (facts.staging.kind === "subvolume") {
    steps.push({ kind: "deleteStaging", path: paths.staging });
  }
  steps.push({ kind: "snapshot", from: image.source, to: paths.staging });
  if (topLayer !== undefined) {
    steps.push({
      kind: "copyTopLayer",
      from: topLayer.at,
      name: topLayer.name,
      to: paths.staging,
    });
  }
  steps.push(
    {
      kind: "checkBootable",
      path: paths.staging,
      init: facts.init,
      kernelRelease: facts.kernelRelease,
    },
    {
      kind: "recordSubvolume",
      path: paths.staging,
      record: {
        boot: lastBoot + 1,
        image: {
          reference: formatImageReference(facts.reference),
          id: image.id,
        },
        source: image.source,
      },
    },
    { kind: "sync" },
  );
  if (facts.rwlayer.kind === "subvolume") {
    steps.push({
      kind: "keepAsGeneration",
      from: paths.rwlayer,
      to: path.join(paths.generations, nextGeneration(facts.generations)),
    });
  }
  steps.push({ kind: "putInPlace", from: paths.staging, to: paths.rwlayer });
  return steps;
}

/** The generations' numbers, the newest last; names that are no numbers are not ours. */
export function generationNumbers(names: readonly string[]): number[] {
  return names
    .filter((name) => /^[1-9][0-9]{0,14}$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

function nextGeneration(names: readonly string[]): string {
  return String((generationNumbers(names).at(-1) ?? 0) + 1);
}

function refuseOverlap({ paths, storePath, topLayer }: BootFacts): void {
  if (
    isSameOrBelow(paths.rwlayer, storePath) ||
    isSameOrBelow(storePath, paths.rwlayer)
  ) {
    throw new BootError(
      "RWLAYER_UNSUITABLE",
      `the rwlayer ${paths.rwlayer} and the image store ${storePath} lie in each other`,
      {
        hint: "Give the rwlayer a path of its own, for example rootflags=subvol=docker_rwlayer.",
      },
    );
  }
  const directory = topLayer?.onTopLevel;
  if (directory === undefined) return;
  const inside = [storePath, paths.rwlayer, DOCKROOT_DIRECTORY].find((other) =>
    isSameOrBelow(other, directory),
  );
  if (inside !== undefined) {
    throw new BootError(
      "TOPLAYER_UNSUITABLE",
      `the top layer /${directory} holds ${inside}, which cannot be copied into itself`,
      {
        hint: "Name the directory of this machine's own files with toplayer_path=, for example toplayer_path=boot_docker.",
      },
    );
  }
  const around = [paths.rwlayer, DOCKROOT_DIRECTORY].find((other) =>
    isSameOrBelow(directory, other),
  );
  if (around !== undefined) {
    throw new BootError(
      "TOPLAYER_UNSUITABLE",
      `the top layer /${directory} lies in ${around}, which is new at every start`,
      {
        hint: "Move it to a directory of its own on the filesystem's top level, and correct toplayer_path=.",
      },
    );
  }
}

/** Whether `file` is `ancestor` or lies below it; both relative, `""` is the top level. */
function isSameOrBelow(file: string, ancestor: string): boolean {
  return (
    ancestor === "" || file === ancestor || file.startsWith(`${ancestor}/`)
  );
}

function refuseForeign({ paths, state, rwlayer, staging }: BootFacts): void {
  if (staging.kind === "other") {
    throw new BootError(
      "RWLAYER_FOREIGN",
      `${paths.staging} is not a subvolume, so dockroot did not make it`,
      { hint: moveAway(paths.staging) },
    );
  }
  if (rwlayer.kind === "other") {
    throw new BootError(
      "RWLAYER_FOREIGN",
      `${paths.rwlayer} is not a subvolume, so dockroot did not make it and leaves it alone`,
      { hint: moveAway(paths.rwlayer) },
    );
  }
  if (
    rwlayer.kind === "subvolume" &&
    !state.subvolumes.some(({ uuid }) => uuid === rwlayer.uuid)
  ) {
    throw new BootError(
      "RWLAYER_FOREIGN",
      `the subvolume ${paths.rwlayer} was not made by dockroot, which leaves it alone`,
      { hint: moveAway(paths.rwlayer) },
    );
  }
}

function moveAway(file: string): string {
  return `If nothing in it is needed, or to keep it under another name: mount the filesystem with -o subvolid=5 and rename ${file}; or give the rwlayer another name with rootflags=subvol=.`;
}
