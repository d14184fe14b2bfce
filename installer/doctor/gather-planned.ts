import path from "node:path";
import type { BootContext } from "../../runtime/boot/boot-context.ts";
import { formatDeviceSpec } from "../../runtime/options/device-spec.ts";
import { followIn } from "../../runtime/host/follow-in.ts";
import type { PlannedBoot } from "../../runtime/plan/format-plan.ts";
import type { Host } from "../../runtime/host/host.ts";
import { formatImageReference } from "../../runtime/images/image-ref.ts";
import { readMounts } from "../../runtime/disk/mounts.ts";
import type { StoreKind } from "../../runtime/options/store-kinds.ts";
import { listStores } from "../system/list-stores.ts";
import { locate } from "../system/formats/locate.ts";
import type { StartOutcome } from "./rules/facts.ts";
import { directoryOf } from "../engines/engine-configs.ts";
import { homeOf, type Home } from "../engines/home.ts";
import { readSystemConfigs } from "../system/system-configs.ts";
import { gatherTree } from "./gather-tree.ts";
import type { StartLook } from "./start-look.ts";

/**
 * Looks at the disk and the tree of a start that can be made.
 * @param storeKind what `dockroot.store=` says
 * @throws BootError, HelperError
 */
export async function gatherPlanned(
  { host, generators }: StartLook,
  { topLevel, options }: BootContext,
  storeKind: StoreKind | undefined,
  { facts, plan }: PlannedBoot & { kind: "root" },
  warnings: readonly string[],
): Promise<StartOutcome & { kind: "planned" }> {
  const reference = formatImageReference(facts.reference);
  const root = formatDeviceSpec(options.root);
  const { storePath, image } = facts;
  const home = homeIn(host, topLevel, storePath);
  const engineDirectory = directoryOf(readSystemConfigs(host), home);
  return {
    kind: "planned",
    warnings: [...warnings, ...plan.warnings],
    image: { reference, id: image.id, store: image.store },
    disk: {
      ...{ root, storePath, device: facts.device.path },
      room: host.files.roomAt(topLevel),
      engineDirectory,
      stores: listStores({ host, topLevel, path: storePath }, storeKind).map(
        ({ name }) => name,
      ),
      isStoreOfEngine: isStoreAt(host, engineDirectory, topLevel, storePath),
    },
    tree: await gatherTree(host, generators, {
      what: `the image ${reference}`,
      at: path.join(topLevel, image.source),
      isHere: false,
      store: { kind: image.store, home },
      layers: facts.topLayer?.layers ?? [],
      boot: { rwlayer: options.rwlayer, root },
      init: options.init,
    }),
  };
}

function homeIn(host: Host, topLevel: string, storePath: string): Home {
  const directory = followIn(host, topLevel, storePath);
  return homeOf(directory === undefined ? [] : host.files.namesIn(directory));
}

/** Whether the engine's directory here is the store. */
function isStoreAt(
  host: Host,
  engineDirectory: string,
  topLevel: string,
  storePath: string,
): boolean | undefined {
  const directory = host.path(engineDirectory);
  if (host.files.statusOfTarget(directory)?.kind !== "directory") {
    return undefined;
  }
  const mounts = readMounts(host);
  const device = mounts.find(
    ({ mountPoint }) => mountPoint === topLevel,
  )?.device;
  const location = locate(mounts, host.files.realPath(directory));
  return location?.mount.device === device && location?.path === storePath;
}
