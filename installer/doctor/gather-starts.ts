import { lookAtDisk, planOn } from "../../runtime/boot/look-at-disk.ts";
import { DEFAULT_RUN_DIRECTORY } from "../../runtime/disk/run-directory.ts";
import type { BootContext } from "../../runtime/boot/boot-context.ts";
import type { BlockDevice } from "../../runtime/disk/device.ts";
import type { ConfigSource } from "../../runtime/options/config.ts";
import type { OpenDisk } from "../../runtime/disk/open-disk.ts";
import { asFailureOf, describeFailure } from "../../runtime/base/failure.ts";
import { BootError, HelperError } from "../../runtime/base/errors.ts";
import { findFormer } from "../../runtime/boot/fall-back.ts";
import { readMounts } from "../../runtime/disk/mounts.ts";
import {
  readBootOptions,
  readSystemOptions,
  type BootOptions,
} from "../../runtime/options/options.ts";
import type { EntryFacts, StartFacts, StartOutcome } from "./rules/facts.ts";
import {
  describeStart,
  mergeStarts,
  parseStart,
  readStartOptions,
  type Start,
} from "./rules/start.ts";
import { gatherDeployments } from "./gather-deployments.ts";
import { gatherEntry, type Look } from "./gather-entries.ts";
import path from "node:path";
import { formatDeviceSpec } from "../../runtime/options/parsers.ts";
import type { PlannedBoot } from "../../runtime/plan/format-plan.ts";
import { listWarnings } from "../../runtime/plan/plan.ts";
import { shortenWarnings } from "../../runtime/tree/merge-plan.ts";
import type { Host } from "../../runtime/host/host.ts";
import { formatImageReference } from "../../runtime/images/image-ref.ts";
import { CORRECT_IMAGE } from "../../runtime/images/image-missing.ts";
import { NAME_IMAGE } from "../system/image.ts";
import { describeStore, homeBelow, listStores } from "../system/find-store.ts";
import { hasFileTypes, XFS_SUPERBLOCK_BYTES } from "../system/formats/xfs.ts";
import { directoryOf } from "../engines/formats/engine-configs.ts";
import { readSystemConfigs } from "../system/system-configs.ts";
import { gatherTree } from "./gather-tree.ts";

type Gone = Pick<StartFacts, "deployments" | "entries" | "former" | "outcome">;

/** What the disk of a boot tells, whatever becomes of that boot. */
type DiskTold = Pick<Gone, "deployments" | "former">;

const NOTHING_TOLD: DiskTold = { deployments: undefined, former: undefined };

/** Goes through each boot as far as it can be without changing anything. */
export async function gatherStarts(
  look: Look,
  starts: readonly Start[],
): Promise<StartFacts[]> {
  const gathered: StartFacts[] = [];
  // One after the other: two cannot have a mount point at the same time.
  for (const start of starts) {
    const options = readStartDisk(start, look.config);
    const gone =
      options === undefined || !look.hasDisks
        ? await readOnly(look, start)
        : await simulate(look, start, options);
    gathered.push({
      sources: [{ name: describeStart(start), cmdline: start.cmdline }],
      isThisStart: start.entry === undefined,
      ...gone,
    });
  }
  return mergeStarts(gathered);
}

/** Without the disk. */
async function readOnly(look: Look, start: Start): Promise<Gone> {
  const entries = await gatherEntries(look, start, []);
  const read = readStartOptions(start, configOf(look, entries));
  const outcome = read.kind === "read" ? { kind: "read" as const } : read;
  return { entries, outcome, ...NOTHING_TOLD };
}

/** Where the disk is; `undefined` where that cannot be told. */
function readStartDisk(
  start: Start,
  config: ConfigSource | undefined,
): BootOptions | undefined {
  try {
    return withoutWaiting(readBootOptions(parseStart(start, config)));
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    return undefined;
  }
}

/** Every device is there already. */
function withoutWaiting({ disk, ...options }: BootOptions): BootOptions {
  return { ...options, disk: { ...disk, deviceTimeoutMs: 0 } };
}

/** As `boot --dry-run`. */
async function simulate(
  look: Look,
  start: Start,
  options: BootOptions,
): Promise<Gone> {
  const { host } = look;
  const runDirectory = host.path(DEFAULT_RUN_DIRECTORY);
  let entries: readonly EntryFacts[] | undefined;
  let told = NOTHING_TOLD;
  try {
    return await lookAtDisk(
      host,
      options,
      runDirectory,
      async (context, disk) => {
        told = await askDisk(context, disk);
        // The kernel may be on what is mounted now.
        entries = await gatherEntries(look, start, [], told.deployments);
        const read = readStartOptions(start, configOf(look, entries));
        if (read.kind !== "read") return { entries, outcome: read, ...told };
        const entryContext = {
          ...context,
          options: withoutWaiting(read.options),
        };
        return {
          ...(await planStart(look, start, entryContext, disk, told)),
          ...told,
        };
      },
    );
  } catch (error) {
    const failure = describeFailure(asFailureOf("look at the disk", error));
    if (failure.code === "BUG") throw error;
    entries ??= await gatherEntries(look, start, []);
    const hint =
      start.image !== undefined && failure.hint === CORRECT_IMAGE
        ? NAME_IMAGE
        : failure.hint;
    return {
      entries,
      outcome: { kind: "failed", failure: { ...failure, hint } },
      ...told,
    };
  } finally {
    host.files.removeUnusedDirectory(runDirectory);
  }
}

async function askDisk(
  context: BootContext,
  disk: OpenDisk,
): Promise<DiskTold> {
  const deployments = gatherDeployments(disk);
  try {
    return { deployments, former: await findFormer(context, disk) };
  } catch (error) {
    const isKnown = error instanceof BootError || error instanceof HelperError;
    if (!isKnown) throw error;
    return { deployments, former: undefined };
  }
}

/** @throws BootError, HelperError */
async function planStart(
  look: Look,
  start: Start,
  context: BootContext,
  disk: OpenDisk,
  { deployments }: DiskTold,
): Promise<Pick<Gone, "entries" | "outcome">> {
  const planned = await planOn(context, disk);
  const { warnings } = context.recorder;
  const outcome: StartOutcome =
    planned.kind === "generation"
      ? { kind: "generation", warnings }
      : await gatherPlanned(look, start, context, planned);
  const versions = outcome.kind === "planned" ? outcome.tree.modules : [];
  const entries = await gatherEntries(look, start, versions, deployments);
  return { outcome, entries };
}

/** The configuration that an entry's start reads: that in its initramfs, else as here. */
function configOf(
  { config }: Look,
  entries: readonly EntryFacts[],
): ConfigSource | undefined {
  const inInitramfs = entries
    .flatMap(({ initrds }) => initrds)
    .flatMap(({ content }) => content?.config ?? []);
  return inInitramfs[0] ?? config;
}

/** @param versions which a kernel's name may have */
async function gatherEntries(
  look: Look,
  { entry }: Start,
  versions: readonly string[],
  deployments?: DiskTold["deployments"],
): Promise<EntryFacts[]> {
  return entry === undefined
    ? []
    : [await gatherEntry(look, entry, versions, deployments)];
}

/**
 * Looks at the disk and the tree of a boot that can be made.
 * @throws BootError, HelperError
 */
async function gatherPlanned(
  { host, generators }: Look,
  start: Start,
  { recorder, topLevel, options }: BootContext,
  { facts, plan }: PlannedBoot & { kind: "root" },
): Promise<StartOutcome & { kind: "planned" }> {
  const reference = formatImageReference(facts.reference, facts.image);
  const system = readSystemOptions(options);
  const { rwlayer, init, root: device } = options.disk;
  const root = formatDeviceSpec(device);
  const { image } = facts;
  const { storePath, storeKind } =
    image.store === "kept"
      ? system
      : { storePath: facts.storePath, storeKind: image.store };
  const leaf = path.join(topLevel, image.source);
  const isOverlay = image.layers !== undefined;
  const home = homeBelow(host, topLevel, storePath);
  const engineDirectory = directoryOf(readSystemConfigs(host), home);
  return {
    kind: "planned",
    warnings: [...recorder.warnings, ...shortenWarnings(listWarnings(plan))],
    image: { reference, id: image.id, store: image.store },
    disk: {
      ...{ root, storePath, isOverlay, device: facts.device.path },
      fsType: facts.device.fsType ?? "btrfs",
      layerCount: image.layers?.length,
      hasFileTypes: await readFileTypes(host, facts.device),
      room: host.files.roomAt(topLevel),
      engineDirectory,
      stores: listStores(
        { host, topLevel, path: storePath },
        system.storeKind,
      ).map(({ name }) => name),
      isStoreOfEngine: isStoreAt(host, engineDirectory, topLevel, storePath),
    },
    tree: await gatherTree(host, generators, {
      what: `the image ${reference}`,
      at: isOverlay ? facts.tree : leaf,
      leaf,
      isItself: false,
      storeKind,
      home,
      store: { root, storePath, isOverlay },
      layers: facts.topLayer?.layers ?? [],
      boot: { rwlayer, root, isOverlay, cmdline: start.cmdline },
      init,
    }),
  };
}

/** @returns `undefined` where it is no xfs, or cannot be read */
async function readFileTypes(
  host: Host,
  { path: device, fsType }: BlockDevice,
): Promise<boolean | undefined> {
  if (fsType !== "xfs") return undefined;
  const bytes = String(XFS_SUPERBLOCK_BYTES);
  try {
    const { stdout } = await host.run(["head", "-c", bytes, "--", device]);
    return hasFileTypes(stdout);
  } catch (error) {
    if (!(error instanceof HelperError)) throw error;
    return undefined;
  }
}

/** Whether the engine's directory here is the store. */
function isStoreAt(
  host: Host,
  engineDirectory: string,
  topLevel: string,
  storePath: string,
): boolean | undefined {
  const store = describeStore(host, engineDirectory, undefined);
  if (!store.isPresent) return undefined;
  const { device } =
    readMounts(host).find(({ mountPoint }) => mountPoint === topLevel) ?? {};
  const { mount, path: place } = store.location ?? {};
  return mount?.device === device && place === storePath;
}
