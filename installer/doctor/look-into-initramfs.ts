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
import { helperNames } from "../install/helpers.ts";
import type { InitramfsContent, InitrdFile } from "./rules/facts.ts";
import {
  CONFIG_FILES,
  findConfig,
  type ConfigSource,
} from "../../runtime/options/config.ts";

/** Looks into an initramfs. */
export type LookIntoInitramfs = (
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
    return { content: describeContent(file, files, generators) };
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
      if (files.length > 0) return describeContent(file, files, generators);
    } catch (error) {
      if (!(error instanceof HelperError)) throw error;
    }
  }
  return undefined;
}

const MODULE = /^(?:usr\/)?lib\/modules\/([^/]+)\/.*\.ko(?:\.\w+)?$/;

function describeContent(
  file: string,
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
      (name) => !paths.has(`usr/lib/dockroot/bin/${name}`),
    ),
    kernelVersions: [
      ...new Set(
        [...paths.keys()].flatMap((name) => MODULE.exec(name)?.[1] ?? []),
      ),
    ],
    config: config && { ...config, file: `${config.file} in ${file}` },
  };
}

/** What looks at boots, and with what. */
export interface StartLook {
  readonly host: Host;
  readonly generators: readonly Generator[];
  readonly lookInto: LookIntoInitramfs;
  /** Whether the disks here are those of the boots. */
  readonly hasDisks: boolean;
  /** Of the system here. */
  readonly config: ConfigSource | undefined;
}
