import path from "node:path";
import type { BootContext } from "../../../../runtime/boot-context.ts";
import { formatDeviceSpec } from "../../../../runtime/device-spec.ts";
import type { PlannedBoot } from "../../../../runtime/format-plan.ts";
import type { Host } from "../../../../runtime/host/host.ts";
import { formatImageReference } from "../../../../runtime/image-ref.ts";
import { readMounts } from "../../../../runtime/mounts.ts";
import { locate } from "../../toplayer/locate.ts";
import { readEngineConfig } from "./read-engine-config.ts";
import type { StartOutcome } from "../facts.ts";
import { DEFAULT_STORE } from "../../../image.ts";
import { gatherTree } from "./gather-tree.ts";
import type { StartLook } from "./start-look.ts";

/** Looks at the disk and the tree of a start that can be made. @throws BootError, HelperError */
export async function gatherPlanned(
  { host, generators }: StartLook,
  { topLevel, options }: BootContext,
  { facts, plan }: PlannedBoot & { kind: "root" },
  warnings: readonly string[],
): Promise<StartOutcome & { kind: "planned" }> {
  const reference = formatImageReference(facts.reference);
  const root = formatDeviceSpec(options.root);
  const { storePath, image } = facts;
  return {
    kind: "planned",
    warnings: [...warnings, ...plan.warnings],
    image: { reference, id: image.id },
    disk: {
      ...{ root, storePath, device: facts.device.path },
      room: host.files.roomAt(topLevel),
      isStoreOfEngine: isStoreOfEngine(host, topLevel, storePath),
    },
    tree: await gatherTree(host, generators, {
      what: `the image ${reference}`,
      at: path.join(topLevel, image.source),
      isHere: false,
      layers: facts.topLayer?.layers ?? [],
      boot: { rwlayer: options.rwlayer, root },
      init: options.init,
    }),
  };
}

/** Whether the engine's directory here is the store. */
function isStoreOfEngine(
  host: Host,
  topLevel: string,
  storePath: string,
): boolean | undefined {
  const { dataRoot = DEFAULT_STORE } = readEngineConfig(host);
  const directory = host.path(dataRoot);
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
