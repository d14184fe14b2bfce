import path from "node:path";
import { checkBootable } from "./bootable.ts";
import type { OpenDisk } from "../plan/facts.ts";
import { readPathState, tryToReadState } from "../disk/path-state.ts";
import type { BootContext } from "./boot-context.ts";
import { BootError } from "../base/errors.ts";
import { readKernelRelease } from "../host/machine.ts";
import type { SubvolumeRecord } from "../records/rwlayer-state.ts";
import { generationNumbers } from "../options/rwlayer-names.ts";

/** A former rwlayer that is booted as it is. */
export interface BootedGeneration {
  readonly uuid: string;
  /** `undefined` where the state file does not know it. */
  readonly record: SubvolumeRecord | undefined;
}

/**
 * Looks at the generation that `rootflags=subvol=` names, and changes nothing.
 * @param generation its path, relative to the top level
 * @throws BootError GENERATION_MISSING, INIT_MISSING
 */
export async function bootGeneration(
  { host, recorder, topLevel, options }: BootContext,
  { paths }: OpenDisk,
  generation: string,
): Promise<BootedGeneration> {
  const { state } = tryToReadState(host, topLevel, paths);
  const pathState = await readPathState(host, topLevel, generation, state);
  if (pathState.kind !== "subvolume") {
    const names = host.files.namesIn(path.join(topLevel, paths.generations));
    const present = generationNumbers(names).join(", ");
    throw new BootError(
      "GENERATION_MISSING",
      `there is no generation at rootflags=subvol=${generation}`,
      {
        cause: new Error(
          `the generations of ${paths.rwlayer} there are: ${present === "" ? "none" : present}`,
        ),
        hint: "Correct its number in the boot menu entry.",
      },
    );
  }
  const { record, subvolume } = pathState;
  if (record?.complete !== true) {
    recorder.warn(
      `${generation} is booted as it is, but ${record === undefined ? "the state file does not know it" : "it was never completed, or its removal was interrupted"}`,
    );
  }
  const warning = checkBootable(host, path.join(topLevel, generation), {
    what: `the former root ${generation}`,
    init: options.init,
    kernelRelease: readKernelRelease(host),
  });
  if (warning !== undefined) recorder.warn(warning);
  return { uuid: subvolume.uuid, record };
}
