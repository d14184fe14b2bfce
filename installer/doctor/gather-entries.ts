import { decodeText } from "../../runtime/base/decode-text.ts";
import { listInitramfs } from "../system/kernels.ts";
import type { Host } from "../../runtime/host/host.ts";
import { HelperError } from "../../runtime/base/errors.ts";
import {
  listFiles,
  type Generator,
  type ListedFile,
} from "../generators/generator.ts";
import { type ArchivedFile, isCutShort } from "../initramfs/read-initramfs.ts";
import { HELPER_DIRECTORY } from "../initramfs/verify-image.ts";
import { helperNames } from "../install/helpers.ts";
import { gatherDeployed } from "./gather-deployments.ts";
import type {
  DeploymentsFacts,
  InitramfsContent,
  InitrdFile,
  EntryFacts,
} from "./rules/facts.ts";
import {
  CONFIG_FILES,
  findConfig,
  type ConfigSource,
} from "../../runtime/options/config.ts";
import { DEFAULT_RUN_DIRECTORY } from "../../runtime/disk/run-directory.ts";
import { readMounts, type Mount } from "../../runtime/disk/mounts.ts";
import { isSameOrBelow } from "../../runtime/base/is-below.ts";
import {
  type FoundEntry,
  pathOnVolume,
} from "../loaders/formats/boot-loader.ts";
import { readKernelVersion } from "../system/kernels.ts";
import path from "node:path";
import { locate } from "../system/formats/fstab.ts";

/** What looks at a system, and with what. */
export interface Look {
  readonly host: Host;
  readonly generators: readonly Generator[];
  readonly lookInto: LookIntoInitramfs;
  /** Whether the disks here are those of the boots. */
  readonly hasDisks: boolean;
  /** Of the system here. */
  readonly config: ConfigSource | undefined;
  /** `--image`: instead of the one that a boot names. */
  readonly image: string | undefined;
}

/** Looks into an initramfs. */
type LookIntoInitramfs = (
  file: string,
) => Promise<Pick<InitrdFile, "content" | "isCutShort">>;

/** @returns looks into each file once */
export function createInitramfsLook(
  host: Host,
  generators: readonly Generator[],
): LookIntoInitramfs {
  const known = new Map<string, ReturnType<LookIntoInitramfs>>();
  return (file) => {
    const real = host.files.realPath(host.path(file));
    const content = known.get(real) ?? lookInto(host, generators, real);
    known.set(real, content);
    return content;
  };
}

async function lookInto(
  host: Host,
  generators: readonly Generator[],
  file: string,
): ReturnType<LookIntoInitramfs> {
  try {
    const isWanted = (path: string) =>
      CONFIG_FILES.some((name) => name === `/${path}`);
    const files = await listInitramfs(host, file, isWanted);
    return { content: describeContent(files, generators) };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    // It is compressed in another way, or none at all: a generator may know.
    const content = await askGenerators(host, generators, file);
    return content === undefined
      ? { content, isCutShort: isCutShort(error) }
      : { content };
  }
}

async function askGenerators(
  host: Host,
  generators: readonly Generator[],
  file: string,
): Promise<InitramfsContent | undefined> {
  for (const generator of generators) {
    if (!generator.isPresent(host)) continue;
    try {
      const files = await listFiles(host, generator, file);
      if (files.length > 0) return describeContent(files, generators);
    } catch (error) {
      if (!(error instanceof HelperError)) throw error;
    }
  }
  return undefined;
}

const OVERLAY = /\/overlay\.ko(?:\.\w+)?$/;

const MODULE = /^(?:usr\/)?lib\/modules\/([^/]+)\/.*\.ko(?:\.\w+)?$/;

function describeContent(
  files: readonly (ListedFile & Partial<Pick<ArchivedFile, "content">>)[],
  generators: readonly Pick<Generator, "hooksInImage">[],
): InitramfsContent {
  const paths = new Map(files.map(({ path, content }) => [path, content]));
  const config = findConfig((name) => {
    const content = paths.get(name.slice(1));
    return content === undefined ? undefined : decodeText(content);
  });
  return {
    hasInit: ["init", "usr/lib/systemd/systemd", "sbin/init"].some((name) =>
      paths.has(name),
    ),
    hasDockroot:
      paths.has("usr/bin/dockroot") &&
      generators.some(({ hooksInImage }) =>
        hooksInImage.every((name) => paths.has(name)),
      ),
    missing: helperNames.filter(
      (name) => !paths.has(`${HELPER_DIRECTORY}/${name}`),
    ),
    hasFsck: [...paths.keys()].some((name) => name.endsWith("/fsck.ext4")),
    hasOverlay: [...paths.keys()].some((name) => OVERLAY.test(name)),
    kernelVersions: [
      ...new Set(
        [...paths.keys()].flatMap((name) => MODULE.exec(name)?.[1] ?? []),
      ),
    ],
    config,
  };
}

/**
 * Looks at the files that an entry names, where they are seen now.
 * @param versions of kernels, which a file's name may have
 * @param deployments those of its rwlayer
 */
export async function gatherEntry(
  { host, lookInto }: Look,
  entry: FoundEntry,
  versions: readonly string[],
  deployments: DeploymentsFacts | undefined,
): Promise<EntryFacts> {
  const mounts = readMounts(host);
  const find = (name: string) => findOnVolumes(host, mounts, entry, name);
  const { kernel, initrds } = entry;
  const files = [...(kernel === undefined ? [] : [kernel]), ...initrds].map(
    find,
  );
  const isSomeSeen = files.some((file) => file !== undefined);
  const isAbsent = (name: string) =>
    // It reads no other partition.
    entry.loader === "systemd-boot" ||
    // The others of an entry are on the same one.
    isSomeSeen ||
    isFolderSeen(host, mounts, name);
  const gatherKernel = (name: string) => {
    const file = find(name);
    if (file === undefined)
      return { name, file, version: undefined, isAbsent: isAbsent(name) };
    const version = readKernelVersion(host, host.path(file), versions);
    return { name, file: shownName(file, name), version };
  };
  const gatherInitrd = async (name: string) => {
    const found = find(name);
    if (found === undefined) {
      const content = undefined;
      return { name, file: found, content, isAbsent: isAbsent(name) };
    }
    const file = shownName(found, name);
    const looked = await lookInto(found);
    return { name, file, ...looked, content: inFile(file, looked.content) };
  };
  return {
    entry,
    kernel: kernel === undefined ? undefined : gatherKernel(kernel),
    initrds: await Promise.all(initrds.map(gatherInitrd)),
    deployed: gatherDeployed(host, entry.options, files, deployments),
  };
}

/** Says of a configuration which initramfs it is in. */
function inFile(
  file: string,
  content: InitramfsContent | undefined,
): InitramfsContent | undefined {
  if (content?.config === undefined) return content;
  const { config } = content;
  return {
    ...content,
    config: { ...config, file: `${config.file} in ${file}` },
  };
}

/** What is seen by a mount of dockroot's own, which goes, is named as the entry does. */
function shownName(file: string, name: string): string {
  return isSameOrBelow(file, DEFAULT_RUN_DIRECTORY) ? name : file;
}

/**
 * Where a file that an entry names is seen in the running system: on the volume that the entry's file
 * is on, else on any other that is mounted.
 * @param name as the boot loader names it
 * @param mounts the top level of the image store's filesystem among them
 * @returns `undefined` where it is on none
 */
function findOnVolumes(
  host: Host,
  mounts: readonly Mount[],
  { file, loader, kernel }: FoundEntry,
  name: string,
): string | undefined {
  // refind_linux.conf is for its own directory.
  const isBeside = loader === "refind" && kernel === undefined;
  const own = locate(mounts, host.files.realPath(host.path(file)))?.mount;
  const onVolume = pathOnVolume(name);
  const candidates = [
    ...(isBeside
      ? [path.join(path.dirname(file), path.basename(onVolume))]
      : []),
    ...[
      ...(own === undefined ? [] : [own]),
      // It reads no other volume.
      ...(loader === "systemd-boot" ? [] : mounts.toReversed()),
    ].flatMap((mount) => seenAt(mount, onVolume) ?? []),
  ];
  return candidates.find(
    (candidate) =>
      host.files.statusOfTarget(host.path(candidate))?.kind === "file",
  );
}

/** What every volume may have, and tells nothing of which one a boot loader means. */
const USUAL_DIRECTORIES = ["/", "/boot"];

/** Whether the directory of a file that an entry names is on a volume that is mounted. */
function isFolderSeen(
  host: Host,
  mounts: readonly Mount[],
  name: string,
): boolean {
  const folder = path.dirname(pathOnVolume(name));
  if (USUAL_DIRECTORIES.includes(folder)) return false;
  return mounts
    .flatMap((mount) => seenAt(mount, folder) ?? [])
    .some(
      (candidate) =>
        host.files.statusOfTarget(host.path(candidate))?.kind === "directory",
    );
}

/** @param file from the filesystem's top level, with a slash before it */
function seenAt({ root, mountPoint }: Mount, file: string): string | undefined {
  const below = path.relative(root, file);
  return below === "" || below.startsWith("..")
    ? undefined
    : path.join(mountPoint, below);
}
