import type { Host } from "../../../runtime/host/host.ts";
import { FOR_ONE_MACHINE } from "../host-only.ts";
import {
  joinTexts,
  placeOf,
  readMain,
  requireConfig,
  type Configuration,
} from "./configurations.ts";
import { readHooks } from "./read-hooks.ts";
import { readPresets } from "./read-presets.ts";

const HOOK = "autodetect";

/**
 * Finds the images that the hook `autodetect` reduces to the drivers of the machine that builds them.
 * @returns a sentence with what to do; nothing where there are no such images
 * @throws BootError, HelperError
 */
export async function describeAutodetect(host: Host): Promise<string[]> {
  const main = await readMain(host, requireConfig);
  const presets = await readPresets(host);
  const images = presets.flatMap((preset) => preset.images);
  const places = new Set<string>();
  const reduced: string[] = [];
  const whole: string[] = [];
  for (const { configuration: named, files, skippedHooks } of images) {
    const file = placeOfHook(
      named === undefined ? main : [requireConfig(host, named)],
    );
    const isReduced = file !== undefined && !skippedHooks.includes(HOOK);
    (isReduced ? reduced : whole).push(...files);
    if (isReduced) places.add(file);
  }
  const mainPlace = placeOfHook(main);
  if (images.length === 0 && mainPlace !== undefined) {
    places.add(mainPlace);
    reduced.push("the initramfs");
  }
  if (reduced.length === 0) return [];
  const otherwise =
    whole.length === 0
      ? ""
      : `, or boot ${whole.join(" or ")}, which has all drivers`;
  return [
    `HOOKS in ${[...places].join(" and ")} has ${HOOK}: ${reduced.join(", ")} ${FOR_ONE_MACHINE} remove ${HOOK} from HOOKS${otherwise}.`,
  ];
}

/** The file in which HOOKS names it. */
function placeOfHook(configuration: Configuration): string | undefined {
  const { hooks } = readHooks(joinTexts(configuration));
  const hook = hooks.find(({ name }) => name === HOOK);
  return hook && placeOf(configuration, hook.start).file.path;
}
