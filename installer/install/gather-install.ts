import { createHash } from "node:crypto";
import { BootError } from "../../runtime/base/errors.ts";
import { isSameOrBelow } from "../../runtime/base/is-below.ts";
import type { Host } from "../../runtime/host/host.ts";
import { gatherConfig } from "../../runtime/boot/gather-options.ts";
import {
  confirmingUnits,
  GENERATOR_NAMES,
  type Build,
  type FileEdit,
  type Generator,
  type GeneratorName,
  type HookFile,
} from "../generators/generator.ts";
import { hasFile } from "../system/has-file.ts";
import { findMissing } from "../initramfs/verify-image.ts";
import { readAsset, readGenerated } from "../system/read-asset.ts";
import { unlessNotRun } from "../system/tree-host.ts";
import {
  EXECUTABLE,
  findBuilds,
  isRunningMachine,
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
  const hostOnly = isRunningMachine(host)
    ? []
    : await unlessNotRun(notChecked, [], "the drivers in the initramfs", () =>
        generator.describeHostOnly(host),
      );
  const ingredients: WantedFile[] = [
    {
      path: EXECUTABLE,
      content: { copyOf: executable.path },
      sha256: executable.sha256,
      mode: 0o755,
      isEdit: false,
    },
    ...wantAssets(generator.files),
  ];
  const configuration = wantText(realConfig(host, config.file), config.text, {
    isTakenOver: true,
  });
  const own = manifest?.files ?? [];
  const pages = wantPages(host, new Set(own.map(({ path }) => path)));
  const aside = [
    ...pages,
    ...(hasSystemd(host) ? wantAssets(confirmingUnits) : []),
  ];
  const wanted = [
    ...ingredients,
    ...(config.isOurs ? [configuration] : []),
    ...aside,
    ...edits.map(({ path, content }) =>
      wantText(path, content, { isEdit: true }),
    ),
  ];
  const paths = new Set([...wanted, ...own].map(({ path }) => path));
  const present = gatherPresent(host, [...paths]);
  const plan = planInstall(wanted, present, manifest);
  const inputs = hashWanted([...ingredients, configuration]);
  const isStale =
    manifest?.built !== inputs ||
    plan.changes.some(({ path }) => !aside.some((file) => file.path === path));
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
    warnings: [...config.warnings, ...plan.warnings, ...hostOnly],
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
    { hint: "Run dockroot uninstall first." },
  );
}

/** Where the configuration is to stand: a link stays one. */
function realConfig(host: Host, file: string): string {
  return hasFile(host, file) ? host.files.realPath(host.path(file)) : file;
}

/**
 * Whether the images exist and contain all that they need.
 * @param notChecked receives what cannot be checked without running that system's programs
 */
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

/**
 * The manual page and the completions, where man(1) and the shells look for those of packages. What a
 * package has brought, of whatever version, is left as it is.
 * @param own the paths of what an earlier install wrote
 */
function wantPages(host: Host, own: ReadonlySet<string>): WantedFile[] {
  const zsh = hasFile(host, "/etc/debian_version")
    ? "vendor-completions"
    : "site-functions";
  const pages = {
    "/usr/share/man/man8/dockroot.8": "dockroot.8",
    "/usr/share/bash-completion/completions/dockroot": "completion.bash",
    [`/usr/share/zsh/${zsh}/_dockroot`]: "completion.zsh",
    "/usr/share/fish/vendor_completions.d/dockroot.fish": "completion.fish",
  };
  const isOther = (path: string) =>
    !own.has(path) &&
    // Packages compress manual pages.
    ["", ".gz", ".xz", ".zst"].some((end) => hasFile(host, path + end));
  return Object.entries(pages)
    .filter(([path]) => !isOther(path))
    .map(([path, name]) =>
      wantText(path, readGenerated(name), { mode: 0o644 }),
    );
}

function wantAssets(files: readonly HookFile[]): WantedFile[] {
  return files.map(({ path, asset, mode }) =>
    wantText(path, readAsset(asset), { mode }),
  );
}

function hasSystemd(host: Host): boolean {
  return hasFile(host, "/usr/lib/systemd/system/basic.target");
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
