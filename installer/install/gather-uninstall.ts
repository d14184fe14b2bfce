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
import { planRemoval } from "./plan/plan-install.ts";

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
  const { files } = manifest;
  const present = gatherPresent(
    host,
    files.map((file) => file.path),
  );
  const known = Object.values(generators).find(
    ({ name }) => name === manifest.generator,
  );
  const generator = known?.isPresent(host) === true ? known : undefined;
  const { changes, changed } = planRemoval(files, present);
  const isEdit = new Set(
    files.filter((file) => file.isEdit).map((file) => file.path),
  );
  const notChecked: string[] = [];
  const edits = (
    await unlessNotRun(notChecked, [], "the configuration", async () =>
      known === undefined ? [] : known.disable(host),
    )
  ).filter((edit) => isEdit.has(edit.path));
  const hooks = new Set(known?.files.map((file) => file.path));
  const { kept, changes: keeping } = planKept(
    changed.filter((file) => !isEdit.has(file)),
    hooks,
    present,
  );
  const former = host.files
    .namesIn(host.path(FORMER_DIRECTORY))
    .map((name) => path.join(FORMER_DIRECTORY, name));
  const remove = [
    ...(isBuilding ? manifest.newImages : []).filter((image) =>
      hasFile(host, image),
    ),
    ...former,
    MANIFEST_FILE,
  ];
  const builds =
    generator === undefined || !isBuilding
      ? []
      : await unlessNotRun(notChecked, [], "which images are to be built", () =>
          findBuilds(host, generator, manifest),
        );
  const warnings = [
    generator === undefined
      ? [
          `there is no ${manifest.generator} here any more: an initramfs that it made still has dockroot in it`,
        ]
      : [],
    !isBuilding && manifest.built !== undefined
      ? ["the initramfs still has dockroot in it until it is built anew"]
      : [],
  ].flat();
  return {
    ...{ generator, manifest, edits, builds, kept, warnings, notChecked },
    newImages: isBuilding ? manifest.newImages : [],
    changes: [
      ...changes,
      ...keeping,
      ...planEdits(edits, changed, present),
      ...remove.map((file): Change => ({ kind: "remove", path: file })),
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
    const images = build.images.filter(
      (image) => !newImages.includes(image.path) && hasFile(host, image.path),
    );
    for (const image of images) {
      const files = await listIfReadable(host, generator, image.path);
      if (
        files === undefined ||
        files.some((file) => file.path === "usr/bin/dockroot")
      ) {
        builds.push(build);
        break;
      }
    }
  }
  return builds;
}
