import type { SubvolumeRecord } from "./rwlayer-state.ts";

/** A former root of ours. */
export interface FormerRoot {
  /** Relative to the top level. */
  readonly file: string;
  readonly record: SubvolumeRecord;
}

/**
 * Which former roots are past the limit. Those that init has had and those that it is not known to have
 * had are counted apart: a start that came to nothing pushes out no root that somebody has worked in.
 * What stands in for a root of ours is neither counted nor removed. Touches nothing.
 * @param roots the newest last
 * @param limit how many of each are kept
 */
export function chooseRemovals(
  roots: readonly FormerRoot[],
  limit: number,
): FormerRoot[] {
  const originals = roots.filter(({ record }) => record.isCopy !== true);
  // Their removal was interrupted.
  const broken = originals.filter(({ record }) => !record.complete);
  const whole = originals.filter(({ record }) => record.complete);
  const past = (reached: boolean) => {
    const counted = whole.filter(
      ({ record: { reached: told = true } }) => told === reached,
    );
    return counted.slice(0, Math.max(0, counted.length - limit));
  };
  const unwanted = new Set([...broken, ...past(false), ...past(true)]);
  return originals.filter((root) => unwanted.has(root));
}

/** Where systemd makes subvolumes by itself (tmpfiles.d), which a new root has again. */
const MADE_BY_SYSTEMD = [
  "var/lib/machines",
  "var/lib/portables",
  "var/tmp",
  "tmp",
];
/** Whose subvolumes an engine makes: they are of its images and containers. */
const ENGINE_STORES = [
  "var/lib/docker",
  "var/lib/containerd",
  "var/lib/containers",
];

/**
 * Whether a subvolume nested in a former root goes with it. All others were made by the machine's user.
 * @param file relative to the root
 */
export function goesWithRoot(file: string): boolean {
  return (
    MADE_BY_SYSTEMD.includes(file) ||
    ENGINE_STORES.some((store) => file.startsWith(`${store}/`))
  );
}
