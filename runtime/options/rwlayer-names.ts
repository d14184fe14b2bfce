import path from "node:path";

/** Where dockroot keeps what belongs to one rwlayer; all relative to the top level. */
export interface RwlayerPaths {
  readonly rwlayer: string;
  readonly directory: string;
  readonly staging: string;
  readonly generations: string;
  /** Of each root, a read-only snapshot as it was when init got it, by the number of its boot. */
  readonly bases: string;
  /** What is being removed, where a root is a directory. */
  readonly trash: string;
  readonly state: string;
  readonly lastFailure: string;
  readonly deployments: string;
  /** A writable snapshot of an image, in which its generator makes an initramfs. */
  readonly building: string;
  /** A read-only snapshot of a root, while it is compared. */
  readonly compared: string;
  /** The initramfs that was made there, until it is copied. */
  readonly madeInitramfs: string;
  /** Room on a full disk for the commands that free some. */
  readonly reserve: string;
}

export const DOCKROOT_DIRECTORY = ".dockroot";

/** @param rwlayer its path, relative to the top level; its slashes become `%2F` in our directory's name */
export function rwlayerPaths(rwlayer: string): RwlayerPaths {
  const directory = path.join(
    DOCKROOT_DIRECTORY,
    rwlayer.replaceAll("%", "%25").replaceAll("/", "%2F"),
  );
  return {
    rwlayer,
    directory,
    staging: path.join(directory, "staging"),
    generations: path.join(directory, "generations"),
    bases: path.join(directory, "bases"),
    trash: path.join(directory, "trash"),
    state: path.join(directory, "state.json"),
    lastFailure: path.join(directory, "last-failure.log"),
    deployments: path.join(directory, "deployments.json"),
    building: path.join(directory, "building"),
    compared: path.join(directory, "compared"),
    madeInitramfs: path.join(directory, "initrd"),
    reserve: path.join(directory, "reserve"),
  };
}

/**
 * Whose generation a path names: `.dockroot/<rwlayer>/generations/<n>`, relative to the top level.
 * @returns the rwlayer's path, or `undefined` where it names none
 */
export function rwlayerOfGeneration(file: string): string | undefined {
  const [, directory] = GENERATION.exec(file) ?? [];
  return directory && rwlayerOfDirectory(directory);
}

/** @param directory a name in `.dockroot` */
export function rwlayerOfDirectory(directory: string): string {
  return directory.replaceAll("%2F", "/").replaceAll("%25", "%");
}

const GENERATION = /^\.dockroot\/([^/]+)\/generations\/[1-9][0-9]{0,8}$/;

const MAX_GENERATION = 999_999_999;

/** The generations' numbers, the newest last; names that are no such numbers are not ours. */
export function generationNumbers(names: readonly string[]): number[] {
  return names
    .filter((name) => /^[1-9][0-9]{0,8}$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

/**
 * The number that the next generation gets: one more than the highest that leaves room for it. What has
 * the last number of all was not counted up to, but put there.
 */
export function nextGeneration(names: readonly string[]): string {
  const taken = new Set(generationNumbers(names));
  const last = [0, ...taken].findLast(
    (number) => number < MAX_GENERATION && !taken.has(number + 1),
  );
  if (last === undefined) throw new Error("all numbers are taken");
  return String(last + 1);
}

/** Where the images that deployments boot are kept, whatever becomes of the engine's store. */
export const KEPT_IMAGES = path.join(DOCKROOT_DIRECTORY, "images");

/** Where the layers are that overlays are made of. */
export const LAYERS = path.join(DOCKROOT_DIRECTORY, "layers");

/** Where they are while they are being made, or removed. What an interruption leaves there is removed. */
export const NEW_LAYERS = path.join(DOCKROOT_DIRECTORY, "layers.new");

/** A kept image; relative to the top level. */
export interface KeptImagePaths {
  readonly directory: string;
  /** A read-only snapshot of the image's source. */
  readonly tree: string;
  readonly record: string;
}

/** @param hex the digits of the image's ID */
export function keptImagePaths(hex: string): KeptImagePaths {
  const directory = path.join(KEPT_IMAGES, hex);
  return {
    directory,
    tree: path.join(directory, "tree"),
    record: path.join(directory, "image.json"),
  };
}
