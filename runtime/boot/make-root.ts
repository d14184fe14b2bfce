import type { BootContext } from "./boot-context.ts";
import { executeSteps } from "./execute.ts";
import type { RootOutcome } from "./report.ts";
import { BootError } from "../base/errors.ts";
import type { Disk } from "../disk/disk.ts";
import { OverlayDisk } from "../disk/overlay/overlay-disk.ts";
import { findUseAsRoot, findMountOf } from "../disk/mounts.ts";
import type { BootFacts } from "../plan/facts.ts";
import { planBoot } from "../plan/plan.ts";
import { checkBootable } from "./bootable.ts";
import { readKernelRelease } from "../host/machine.ts";
import { generationNumbers } from "../options/rwlayer-names.ts";

/**
 * Makes a new rwlayer from the image, or finds that the present one is still right.
 * @throws BootError
 */
export async function makeRoot(
  context: BootContext,
  disk: Disk,
  facts: BootFacts,
): Promise<RootOutcome> {
  const { paths, state, rwlayer } = facts;
  const present = rwlayer.record;
  const use = findUseAsRoot(disk, paths.rwlayer, present);
  if (use !== undefined) throw inUse("rwlayer", paths.rwlayer, use);
  const { result, warnings, steps } = planBoot(facts);
  for (const warning of warnings) context.recorder.warn(warning);
  const made = await executeSteps(steps, { ...context, disk, state });
  const record = made ?? present;
  if (record === undefined) throw new Error("the plan made no root");
  return { result, uuid: record.uuid, record };
}

/**
 * The root of a running system must not be replaced under it, nor must another system's. Asks for what
 * is mounted alone: whether a root is this kernel's is known when the state file is read.
 * @throws BootError RWLAYER_IN_USE
 */
export function refuseMounted(disk: Disk): void {
  const { rwlayer, staging } = disk.paths;
  const mounts = disk.readMounts();
  for (const [what, file] of [
    ["rwlayer", rwlayer],
    ["next rwlayer", staging],
  ] as const) {
    const at = findMountOf(mounts, file);
    if (at !== undefined) throw inUse(what, file, `mounted at ${at}`);
  }
}

function inUse(what: string, file: string, use: string): BootError {
  return new BootError(
    "RWLAYER_IN_USE",
    `the ${what} ${file} is in use: it is ${use}`,
    {
      hint: "To see what the next boot would do: dockroot boot --dry-run.",
    },
  );
}

/**
 * Looks at the generation that `rootflags=subvol=` names, and changes nothing.
 * @param generation its path, relative to the top level
 * @throws BootError GENERATION_MISSING, INIT_MISSING
 */
export async function bootGeneration(
  { host, recorder, options, readOnly }: BootContext,
  disk: Disk,
  generation: string,
): Promise<RootOutcome> {
  const { state } = disk.tryToReadState();
  const pathState = await disk.inspect(generation, state);
  if (pathState.kind !== "subvolume" && pathState.kind !== "root") {
    const present = generationNumbers(disk.generationNames()).join(", ");
    throw new BootError(
      "GENERATION_MISSING",
      `there is no generation at ${disk.isOverlay ? "dockroot.root=" : "rootflags=subvol="}${generation}`,
      {
        cause: new Error(
          `generations of ${disk.paths.rwlayer} that exist: ${present === "" ? "none" : present}`,
        ),
        hint: "Correct its number in the boot menu entry.",
      },
    );
  }
  const { record, subvolume } = pathState;
  if (disk instanceof OverlayDisk) {
    if (readOnly) await disk.showRoot(generation);
    else if (options.disk.upper === "tmpfs") {
      await disk.mountVolatile(generation);
    } else await disk.mountRoot(generation, "root");
  }
  if (record?.complete !== true) {
    recorder.warn(
      `${generation} is booted, although ${record === undefined ? "the state file has no record of it" : "it was never completed, or its removal was interrupted"}`,
    );
  }
  const warning = checkBootable(host, disk.treeAt(generation), {
    what: `the earlier root ${generation}`,
    init: options.disk.init,
    kernelRelease: readKernelRelease(host),
  });
  if (warning !== undefined) recorder.warn(warning);
  const uuid = subvolume?.uuid ?? record?.uuid ?? "";
  return { result: "generation", uuid, record };
}
