import path from "node:path";
import { isBelow } from "../../runtime/base/is-below.ts";
import { gatherOptions } from "../../runtime/boot/gather-options.ts";
import { lookAtDisk, planOn } from "../../runtime/boot/look-at-disk.ts";
import { showKeptImage } from "../../runtime/disk/kept-images.ts";
import { DEFAULT_RUN_DIRECTORY } from "../../runtime/disk/run-directory.ts";
import { silence, type Host } from "../../runtime/host/host.ts";
import type { CmdlineOption } from "../../runtime/options/cmdline.ts";
import {
  parseOptions,
  readBootOptions,
} from "../../runtime/options/options.ts";
import type { InitramfsKind } from "../../runtime/options/table.ts";
import type {
  Deployment,
  Deployments,
} from "../../runtime/records/deployments.ts";
import type { BootPlace } from "../loaders/boot-place.ts";
import {
  formatCmdline,
  USUAL_TOP_LAYER,
} from "../loaders/formats/boot-loader.ts";
import { planOptions } from "../loaders/plan/plan-options.ts";
import { homeBelow } from "../system/find-store.ts";
import { copyBootFiles } from "./boot-files.ts";
import type { DeployDisk } from "./deploy-disk.ts";
import type { Target } from "./find-target.ts";
import { keepImage } from "./kept-images.ts";
import { findDeployment } from "./plan/deployments.ts";
import type { Teller } from "./pull-first.ts";
import { RESTART } from "./settle.ts";

interface Identity {
  readonly n: number;
  readonly initramfs: InitramfsKind;
}

/** The deployment as its record; its options are this boot's, but for the image. */
export function describeDeployment(
  { disk, store, place, running }: DeployDisk,
  state: Deployments,
  { reference, image, boot, repoDigest }: Target,
  { n, initramfs }: Identity,
): Deployment {
  const { host } = disk;
  const directory = disk.at(USUAL_TOP_LAYER);
  const { options, notes } = planOptions({
    cmdline: withoutRestart(
      findDeployment(state, running ?? null),
      gatherOptions(host).kernel,
    ),
    image: image.id,
    store,
    storePath: place.path,
    isOverlay: place.isOverlay,
    storeHome: homeBelow(host, disk.topLevel, place.path),
    storeKind: place.kind,
    bootedRwlayer: place.bootedRwlayer,
    topLayerDirectory:
      host.files.statusOf(directory)?.kind === "directory"
        ? USUAL_TOP_LAYER
        : undefined,
    deployment: n,
  });
  if (state.deployments.length === 0) {
    for (const note of notes) host.log.info(note);
    if (!options.some(({ key }) => key === "toplayer")) {
      host.log.info(
        `there is no top layer: ${store.device} has no ${USUAL_TOP_LAYER} in its top directory, and the image boots as it is`,
      );
    }
  }
  return {
    n,
    image: { reference, id: image.id, repoDigest },
    kernel: {
      release: boot.release,
      digest: boot.digest,
      files: boot.files.map(({ name }) => name),
      bytes: boot.bytes,
      initramfs,
    },
    options: formatCmdline(options),
    state: "staged",
    tries: null,
    isPinned: false,
    failure: null,
  };
}

/** The options that this boot was given, without what a candidate has besides. */
function withoutRestart(
  running: Deployment | undefined,
  cmdline: readonly CmdlineOption[],
): readonly CmdlineOption[] {
  if (running === undefined) return cmdline;
  const own = running.options.split(" ");
  return cmdline.filter((option) => {
    const text = formatCmdline([option]);
    return own.includes(text) || !RESTART.includes(text);
  });
}

/** Keeps the image, copies the boot files, and plans a boot with them. @throws BootError, HelperError */
export async function makeDeployment(
  { disk }: DeployDisk,
  place: BootPlace,
  { options }: Deployment,
  { reference, image, tree, boot, repoDigest, system }: Target,
  progress: Teller["progress"],
): Promise<void> {
  const { host } = disk;
  await progress(`keeping the image ${reference}`, () =>
    keepImage(disk, { image, reference, repoDigest, system }),
  );
  const keptTree = await showKeptImage(disk, image.id);
  const kept = {
    ...boot,
    files: boot.files.map(({ from, name }) => ({
      from: isBelow(from, tree)
        ? path.join(keptTree, path.relative(tree, from))
        : from,
      name,
    })),
  };
  await progress(
    `copying kernel and initramfs to ${place.filesystem.device}`,
    () => copyBootFiles(host, place, kept),
  );
  await progress("checking what the boot would do", () =>
    rehearse(host, options),
  );
}

/** As `boot --dry-run` with these options. @throws BootError */
async function rehearse(loud: Host, cmdline: string): Promise<void> {
  const host = silence(loud);
  const options = readBootOptions(parseOptions(cmdline, undefined));
  const runDirectory = host.path(DEFAULT_RUN_DIRECTORY);
  await lookAtDisk(host, options, runDirectory, planOn);
}
