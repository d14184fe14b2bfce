import path from "node:path";
import type { Host } from "../../runtime/host/host.ts";
import { generators } from "../generators/choose-generator.ts";
import type { Build, FileEdit, Generator } from "../generators/generator.ts";
import { hasFile } from "../system/has-file.ts";
import { unlessNotRun } from "../system/tree-host.ts";
import { findBuilds, listIfReadable } from "./inspect-image.ts";
import { readRecord } from "./journal.ts";
import {
  planUninstall,
  type Change,
  type KeptFile,
} from "./plan/plan-files.ts";
import { FORMER_DIRECTORY, MANIFEST, type Manifest } from "./plan/records.ts";
import { gatherPresent } from "./present-files.ts";

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
  const manifest = readRecord(host, MANIFEST);
  if (manifest === undefined) return undefined;
  const present = gatherPresent(
    host,
    manifest.files.map((file) => file.path),
  );
  const known = Object.values(generators).find(
    ({ name }) => name === manifest.generator,
  );
  const generator = known?.isPresent(host) === true ? known : undefined;
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
  const { kept, changes } = planUninstall(
    manifest.files,
    present,
    edits,
    new Set(known?.files.map((file) => file.path)),
  );
  const newImages = isBuilding ? manifest.newImages : [];
  const former = host.files
    .namesIn(host.path(FORMER_DIRECTORY))
    .map((name) => path.join(FORMER_DIRECTORY, name));
  const removed = [
    ...newImages.filter((image) => hasFile(host, image)),
    ...former,
    MANIFEST.file,
  ];
  const builds =
    generator === undefined || !isBuilding
      ? []
      : await findBuilds(host, generator, notChecked, (build) =>
          hasDockroot(host, generator, build, manifest),
        );
  const warnings: string[] = [];
  if (generator === undefined) {
    warnings.push(
      `${manifest.generator} is no longer installed: an initramfs that it built still contains dockroot`,
    );
  }
  if (!isBuilding && manifest.built !== undefined) {
    warnings.push("the initramfs contains dockroot until it is rebuilt");
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
      ...removed.map((file): Change => ({ kind: "remove", path: file })),
    ],
  };
}

/** Whether dockroot, or nobody knows what, is in one of these images that stays. */
async function hasDockroot(
  host: Host,
  generator: Generator,
  { images }: Build,
  { newImages }: Manifest,
): Promise<boolean> {
  for (const { path: image } of images) {
    if (newImages.includes(image) || !hasFile(host, image)) continue;
    const files = await listIfReadable(host, generator, image);
    if (files?.some(({ path }) => path === "usr/bin/dockroot") !== false) {
      return true;
    }
  }
  return false;
}
