import { createHash } from "node:crypto";
import { BootError } from "../../runtime/base/errors.ts";
import { isSameOrBelow } from "../../runtime/base/is-below.ts";
import type { Host } from "../../runtime/host/host.ts";
import { gatherConfig } from "../../runtime/boot/gather-options.ts";
import {
  GENERATOR_NAMES,
  type Build,
  type FileEdit,
  type Generator,
  type GeneratorName,
} from "../generators/generator.ts";
import { hasFile } from "../system/has-file.ts";
import { findMissing } from "../initramfs/verify-image.ts";
import { readAsset } from "../system/read-asset.ts";
import { unlessNotRun } from "../system/tree-host.ts";
import {
  EXECUTABLE,
  findBuilds,
  listIfReadable,
  readImageNeeds,
} from "./inspect-image.ts";
import { readRecord } from "./journal.ts";
import { makeConfig, type MadeConfig } from "./plan/make-config.ts";
import {
  planInstall,
  type Change,
  type WantedFile,
} from "./plan/plan-files.ts";
import { MANIFEST, STATE_DIRECTORY, type Manifest } from "./plan/records.ts";
import { gatherPresent, missingDirectories } from "./present-files.ts";

export interface InstallRequest {
  readonly generator: Generator;
  /** The one that runs: its absolute path, and what is in it. */
  readonly executable: { readonly path: string; readonly sha256: string };
  readonly image: string | undefined;
  readonly isBuilding: boolean;
}

/** All that an installation does. */
export interface Install {
  readonly generator: Generator;
  readonly config: MadeConfig;
  readonly edits: readonly FileEdit[];
  /** Without the manifest. */
  readonly changes: readonly Change[];
  /** Those that are needed. */
  readonly builds: readonly Build[];
  readonly manifest: Manifest;
  readonly warnings: readonly string[];
  /** What nobody could know without running a program of a system that is only looked at. */
  readonly notChecked: readonly string[];
}

/** For which generator it is installed already. @throws BootError */
export function installedGenerator(host: Host): GeneratorName | undefined {
  const name = readRecord(host, MANIFEST)?.generator;
  return GENERATOR_NAMES.find((known) => known === name);
}

/** Looks at the system and decides; changes nothing. @throws BootError */
export async function gatherInstall(
  host: Host,
  { generator, executable, image, isBuilding }: InstallRequest,
): Promise<Install> {
  const manifest = readRecord(host, MANIFEST);
  refuseOther(generator, manifest);
  const config = makeConfig(gatherConfig(host), image);
  const notChecked: string[] = [];
  const edits = await unlessNotRun(notChecked, [], "the configuration", () =>
    generator.enable(host),
  );
  const ingredients: WantedFile[] = [
    {
      path: EXECUTABLE,
      content: { copyOf: executable.path },
      sha256: executable.sha256,
      mode: 0o755,
      isEdit: false,
    },
    ...generator.files.map(({ path, asset, mode }) =>
      wantText(path, readAsset(asset), { mode }),
    ),
  ];
  const configuration = wantText(realConfig(host, config.file), config.text, {
    isTakenOver: true,
  });
  const wanted = [
    ...ingredients,
    ...(config.isOurs ? [configuration] : []),
    ...edits.map(({ path, content }) =>
      wantText(path, content, { isEdit: true }),
    ),
  ];
  const own = manifest?.files ?? [];
  const paths = new Set([...wanted, ...own].map(({ path }) => path));
  const present = gatherPresent(host, [...paths]);
  const plan = planInstall(wanted, present, manifest);
  const inputs = hashWanted([...ingredients, configuration]);
  const isStale = plan.changes.length > 0 || manifest?.built !== inputs;
  const builds = isBuilding
    ? await findBuilds(
        host,
        generator,
        notChecked,
        async (build) =>
          isStale || !(await isGood(host, generator, build, notChecked)),
      )
    : [];
  const newImages = builds
    .flatMap(({ images }) => images)
    .filter((image) => !hasFile(host, image.path))
    .map((image) => image.path);
  const newDirectories = missingDirectories(host, plan.changes).filter(
    (directory) => !isSameOrBelow(directory, STATE_DIRECTORY),
  );
  return {
    generator,
    config,
    edits,
    builds,
    notChecked,
    changes: plan.changes,
    warnings: [...config.warnings, ...plan.warnings],
    manifest: {
      version: 1,
      generator: generator.name,
      files: plan.files,
      directories: [
        ...new Set([...(manifest?.directories ?? []), ...newDirectories]),
      ],
      newImages: [...new Set([...(manifest?.newImages ?? []), ...newImages])],
      built: isBuilding || !isStale ? inputs : undefined,
    },
  };
}

/** @throws BootError INSTALL_FAILED */
function refuseOther(
  generator: Generator,
  manifest: Manifest | undefined,
): void {
  if (manifest === undefined || manifest.generator === generator.name) return;
  throw new BootError(
    "INSTALL_FAILED",
    `dockroot is installed for ${manifest.generator} here, not for ${generator.name}`,
    { hint: "Take that back first: dockroot uninstall." },
  );
}

/** Where the configuration is to stand: a link stays one. */
function realConfig(host: Host, file: string): string {
  return hasFile(host, file) ? host.files.realPath(host.path(file)) : file;
}

/** Whether the images are there, and have all that they need, as far as anybody can tell. */
function isGood(
  host: Host,
  generator: Generator,
  { images }: Build,
  notChecked: string[],
): Promise<boolean> {
  const what = `what is in ${images.map(({ path }) => path).join(", ")}`;
  return unlessNotRun(notChecked, true, what, async () => {
    for (const { path, kernelVersion } of images) {
      if (!hasFile(host, path)) return false;
      const files = await listIfReadable(host, generator, path);
      if (files === undefined) return false;
      const needs = await readImageNeeds(host, generator, kernelVersion);
      if (findMissing(files, needs).length > 0) return false;
      if (needs.libraries === undefined) {
        notChecked.push(`whether ${path} has all libraries`);
      }
    }
    return true;
  });
}

/** A file of a text; with the mode that it has where none is given. */
function wantText(
  path: string,
  text: string,
  more: Partial<Pick<WantedFile, "mode" | "isEdit" | "isTakenOver">>,
): WantedFile {
  const sha256 = createHash("sha256").update(text).digest("hex");
  return { path, content: { text }, sha256, isEdit: false, ...more };
}

/** Stands for all that an initramfs is made of here: another one means that it has to be made anew. */
function hashWanted(files: readonly WantedFile[]): string {
  const hash = createHash("sha256");
  for (const { path, sha256 } of files) hash.update(`${path} ${sha256}\n`);
  return hash.digest("hex");
}
