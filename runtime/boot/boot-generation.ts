import { checkBootable } from "./bootable.ts";
import type { Disk } from "../disk/disk.ts";
import type { BootContext } from "./boot-context.ts";
import { BootError } from "../base/errors.ts";
import { readKernelRelease } from "../host/machine.ts";
import type { RootOutcome } from "./report.ts";
import { generationNumbers } from "../options/rwlayer-names.ts";

/**
 * Looks at the generation that `rootflags=subvol=` names, and changes nothing.
 * @param generation its path, relative to the top level
 * @throws BootError GENERATION_MISSING, INIT_MISSING
 */
export async function bootGeneration(
  { host, recorder, options }: BootContext,
  disk: Disk,
  generation: string,
): Promise<RootOutcome> {
  const { state } = disk.tryToReadState();
  const pathState = await disk.inspect(generation, state);
  if (pathState.kind !== "subvolume") {
    const present = generationNumbers(disk.generationNames()).join(", ");
    throw new BootError(
      "GENERATION_MISSING",
      `there is no generation at rootflags=subvol=${generation}`,
      {
        cause: new Error(
          `the generations of ${disk.paths.rwlayer} there are: ${present === "" ? "none" : present}`,
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
  const warning = checkBootable(host, disk.at(generation), {
    what: `the former root ${generation}`,
    init: options.disk.init,
    kernelRelease: readKernelRelease(host),
  });
  if (warning !== undefined) recorder.warn(warning);
  return { result: "generation", uuid: subvolume.uuid, record };
}
