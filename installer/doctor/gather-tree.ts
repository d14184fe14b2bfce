import { checkBootable } from "../../runtime/boot/bootable.ts";
import {
  describeFailure,
  type BootFailure,
} from "../../runtime/base/failure.ts";
import { BootError, HelperError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import {
  type ListedLayer,
  bytesOf,
  showPath,
} from "../../runtime/tree/layer.ts";
import type { StoreKind } from "../../runtime/options/table.ts";
import {
  programOf,
  readEngineConfigs,
  type Home,
} from "../engines/formats/engine-configs.ts";
import type {
  BootTarget,
  CheckedEntry,
} from "../toplayer/rules/check-facts.ts";
import { gatherCheckFacts } from "../toplayer/gather-check-facts.ts";
import { parseFstab } from "../system/formats/fstab.ts";
import { checkTree } from "./rules/check-tree.ts";
import type { GeneratorFacts, JudgedTree, TreeFacts } from "./rules/facts.ts";
import type { FileEdit, Generator } from "../generators/generator.ts";
import { enableHook } from "../generators/mkinitcpio/edit-hooks.ts";
import { readMainConfiguration } from "../generators/mkinitcpio/configurations.ts";
import { hasFile } from "../system/has-file.ts";
import {
  findSystemKernels,
  isBuiltIn,
  moduleVersions,
  readKernelVersion,
} from "../system/kernels.ts";
import { NotRunError, treeHost } from "../system/tree-host.ts";
import { readMounts } from "../../runtime/disk/mounts.ts";
import { becomesGap, findGaps } from "../../runtime/disk/subvolume-gaps.ts";

interface TreeRequest extends Pick<TreeFacts, "what" | "isItself" | "store"> {
  /** Where it stands. */
  readonly at: string;
  /** Where its store has it, or its leaf layer. */
  readonly leaf: string;
  readonly layers: readonly ListedLayer[];
  readonly boot: BootTarget;
  /** Which store it comes from; `undefined` where that is not known. */
  readonly storeKind: StoreKind | undefined;
  readonly home: Home;
  /** What `init=` names. */
  readonly init: string | undefined;
}

const ENGINES = {
  docker: ["/usr/bin/dockerd", "/usr/sbin/dockerd", "/usr/local/bin/dockerd"],
  podman: ["/usr/bin/podman", "/usr/local/bin/podman"],
} as const;

/** @param stands whether a path leads to something in the system */
export function hasEngine(
  program: keyof typeof ENGINES,
  stands: (file: string) => boolean,
): boolean {
  return ENGINES[program].some(stands);
}

/**
 * Looks at a tree that becomes root, and judges it: it may be mounted for no longer than that.
 * @throws BootError TOPLAYER_UNSUITABLE
 */
export async function gatherTree(
  host: Host,
  generators: readonly Generator[],
  request: TreeRequest,
): Promise<JudgedTree> {
  const { what, isItself, at, layers, boot, init, store } = request;
  const { storeKind, home, leaf } = request;
  const rooted =
    at === host.path("/") ? host : treeHost(host, host.files.realPath(at));
  const modules = moduleVersions(rooted);
  const check = await gatherCheckFacts(host, layers, { root: at, leaf }, boot);
  const engine = {
    configs: readEngineConfigs((file) => ({ text: check.readText(file) })),
    isInstalled: hasEngine(programOf(home), check.stands),
    storeKind,
    home,
    isOverlay: boot.isOverlay,
  };
  const findings = checkTree({
    what,
    isItself,
    hasTopLayer: layers.length > 0,
    initFailure: findInitFailure(host, at, what, init),
    modules,
    kernels: findSystemKernels(rooted).map((file) => ({
      name: file,
      file,
      version: readKernelVersion(rooted, rooted.path(file), modules),
    })),
    generators: await gatherGenerators(rooted, generators),
    unfilledGaps: findUnfilledGaps(host, at, check.entries),
    check,
    engine,
    store,
  });
  const { entries } = parseFstab(check.texts.fstab.text ?? "");
  const hasRootLine = entries.some(({ mountPoint }) => mountPoint === "/");
  const withoutOverlay = modules.filter(
    (version) => isBuiltIn(rooted, version, "overlay") === false,
  );
  return { what, modules, withoutOverlay, engine, hasRootLine, findings };
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

/** The generators that a system has, and whether dockroot is in what they make. */
function gatherGenerators(
  host: Host,
  generators: readonly Generator[],
): Promise<GeneratorFacts[]> {
  return Promise.all(
    generators
      .filter((generator) => generator.isPresent(host))
      .map(async (generator) => {
        const missing = generator.files
          .map(({ path }) => path)
          .filter((file) => !hasFile(host, file));
        return {
          name: generator.name,
          missing,
          problem:
            missing.length > 0
              ? undefined
              : await hooksProblem(host, generator),
        };
      }),
  );
}

/**
 * What is wrong with a generator's configuration, such as mkinitcpio's HOOKS: what `dockroot install`
 * would change, or why it would not.
 */
export async function hooksProblem(
  host: Host,
  generator: Generator,
): Promise<string | undefined> {
  try {
    const edits = await enable(host, generator);
    return edits.length === 0
      ? undefined
      : edits.map(({ path, what }) => `${path} needs ${what}`).join("; ");
  } catch (error) {
    if (error instanceof BootError || error instanceof HelperError) {
      return error.message;
    }
    throw error;
  }
}

/** Where nothing may run, of mkinitcpio the configuration that presets use alone tells most. */
async function enable(
  host: Host,
  generator: Generator,
): Promise<readonly Pick<FileEdit, "path" | "what">[]> {
  try {
    return await generator.enable(host);
  } catch (error) {
    if (!(error instanceof NotRunError) || generator.name !== "mkinitcpio") {
      throw error;
    }
    return enableHook([readMainConfiguration(host)]);
  }
}
