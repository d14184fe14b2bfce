import { parseCmdline } from "../../../runtime/options/cmdline.ts";
import { splitPath } from "../../../runtime/options/option-values.ts";
import { lastSubvolume } from "../../../runtime/options/parsers.ts";
import { rwlayerOfGeneration } from "../../../runtime/options/rwlayer-names.ts";
import { isOwnOption } from "../../../runtime/options/table.ts";

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
  const options = parseCmdline(cmdline);
  if (options.some(({ key }) => isOwnOption(key))) return true;
  const flags = options.findLast(({ key }) => key === "rootflags")?.value;
  const subvolume = lastSubvolume(flags ?? "");
  if (subvolume === undefined) return false;
  const file = splitPath(subvolume).join("/");
  return (
    [USUAL_RWLAYER, ...rwlayers].includes(file) ||
    rwlayerOfGeneration(file) !== undefined
  );
}
