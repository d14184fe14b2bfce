import path from "node:path";
import type { Host } from "../../runtime/host/host.ts";
import { generators } from "../generators/choose-generator.ts";
import type { Build, FileEdit, Generator } from "../generators/generator.ts";
import { hasFile } from "../system/has-file.ts";
import type { Change } from "./plan/change.ts";
import { gatherPresent, readManifest } from "./gather-present.ts";
import { listIfReadable } from "./look-into-image.ts";
import {
  FORMER_DIRECTORY,
  MANIFEST_FILE,
  type Manifest,
} from "./plan/manifest.ts";
import { unlessNotRun } from "./helpers.ts";
import { planEdits, planKept, type KeptFile } from "./plan/plan-kept.ts";
import { planRemoval } from "./plan/plan-files.ts";

/** All that takes an installation back. */
export interface Uninstall {
  /** `undefined` where it is no longer there. */
  readonly generator: Generator | undefined;
  readonly manifest: Manifest;
  readonly edits: readonly FileEdit[];
  /** The manifest's own end comes last. */
  readonly changes: readonly Change[];
  readonly builds: readonly Build[];
  /** Images that there were none of before: a build for others may make them again. */
  readonly newImages: readonly string[];
  readonly kept: readonly KeptFile[];
  readonly warnings: readonly string[];
  /** What nobody could know without running a program of a system that is only looked at. */
  readonly notChecked: readonly string[];
}

/**
 * Looks at the system and decides; changes nothing.
 * @returns `undefined` where nothing was installed
 * @throws BootError
 */
export async function gatherUninstall(
  host: Host,
  isBuilding: boolean,
): Promise<Uninstall | undefined> {
  const manifest = readManifest(host);
  if (manifest === undefined) return undefined;
  const present = gatherPresent(
    host,
    manifest.files.map((file) => file.path),
  );
  const known = Object.values(generators).find(
    ({ name }) => name === manifest.generator,
  );
  const generator = known?.isPresent(host) === true ? known : undefined;
  const { changes, changed } = planRemoval(manifest.files, present);
  const edited = new Set(
    manifest.files.filter((file) => file.isEdit).map((file) => file.path),
  );
  const notChecked: string[] = [];
  const disabled = await unlessNotRun(
    notChecked,
    [],
    "the configuration",
    () => (known === undefined ? Promise.resolve([]) : known.disable(host)),
  );
  const edits = disabled.filter((edit) => edited.has(edit.path));
  const { kept, changes: keeping } = planKept(
    changed.filter((file) => !edited.has(file)),
    new Set(known?.files.map((file) => file.path)),
    present,
  );
  const newImages = isBuilding ? manifest.newImages : [];
  const former = host.files
    .namesIn(host.path(FORMER_DIRECTORY))
    .map((name) => path.join(FORMER_DIRECTORY, name));
  const removed = [
    ...newImages.filter((image) => hasFile(host, image)),
    ...former,
    MANIFEST_FILE,
  ];
  const builds =
    generator === undefined || !isBuilding
      ? []
      : await unlessNotRun(notChecked, [], "which images are to be built", () =>
          findBuilds(host, generator, manifest),
        );
  const warnings: string[] = [];
  if (generator === undefined) {
    warnings.push(
      `there is no ${manifest.generator} here any more: an initramfs that it made still has dockroot in it`,
    );
  }
  if (!isBuilding && manifest.built !== undefined) {
    warnings.push(
      "the initramfs still has dockroot in it until it is built anew",
    );
  }
  return {
    generator,
    manifest,
    edits,
    builds,
    kept,
    warnings,
    notChecked,
    newImages,
    changes: [
      ...changes,
      ...keeping,
      ...planEdits(edits, changed, present),
      ...removed.map((file): Change => ({ kind: "remove", path: file })),
    ],
  };
}

/** Those of images that dockroot is in, or nobody knows what, but not of those that go. */
async function findBuilds(
  host: Host,
  generator: Generator,
  { newImages }: Manifest,
): Promise<Build[]> {
  const forAnyMachine = !hasFile(host, "/run/systemd/system");
  const builds: Build[] = [];
  for (const build of await generator.builds(host, forAnyMachine)) {
    for (const { path: image } of build.images) {
      if (newImages.includes(image) || !hasFile(host, image)) continue;
      const files = await listIfReadable(host, generator, image);
      if (files?.some((file) => file.path === "usr/bin/dockroot") === false) {
        continue;
      }
      builds.push(build);
      break;
    }
  }
  return builds;
}
