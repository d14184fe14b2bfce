import { lastValues, parseCmdline } from "../../../runtime/options/cmdline.ts";
import { CONFIGURABLE } from "../../../runtime/options/config.ts";
import {
  splitFlags,
  splitPath,
} from "../../../runtime/options/option-values.ts";
import { rwlayerOfGeneration } from "../../../runtime/options/rwlayer-names.ts";

/** The rwlayer of the tutorial. */
export const USUAL_RWLAYER = "docker_rwlayer";

/**
 * Whether a kernel command line is meant to boot an image: it has options of dockroot's own, or a
 * rwlayer, or one of its generations, as `rootflags=subvol=`.
 * @param rwlayers the names that are known
 */
export function isForDockroot(
  cmdline: string,
  rwlayers: readonly string[] = [],
): boolean {
  const options = lastValues(parseCmdline(cmdline));
  const keys = [...options.keys()];
  if (
    keys.some((key) => CONFIGURABLE.has(key) || key.startsWith("dockroot."))
  ) {
    return true;
  }
  const subvolume = splitFlags(options.get("rootflags") ?? "")
    .findLast((flag) => flag.startsWith("subvol="))
    ?.slice("subvol=".length);
  if (subvolume === undefined) return false;
  const file = splitPath(subvolume).join("/");
  return (
    [USUAL_RWLAYER, ...rwlayers].includes(file) ||
    rwlayerOfGeneration(file) !== undefined
  );
}
