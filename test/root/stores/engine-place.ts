import { mkdirSync } from "node:fs";
import path from "node:path";
import type { Test } from "tap";
import { findEngineRoots } from "../../../fixtures/cached-debian.ts";
import {
  startDockerEngine,
  type DockerEngine,
} from "../../../fixtures/docker-engine.ts";
import type { DiskOptions } from "../../../fixtures/loop-disk.ts";
import type { EngineSuite } from "../../../fixtures/engine-root.ts";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";
import { parseImageReference } from "../../../runtime/images/image-ref.ts";
import { openStore } from "../../../runtime/stores/open-store.ts";
import type { FoundImage, ImageStore } from "../../../runtime/stores/store.ts";
import type { StoreKind } from "../../../runtime/options/table.ts";
import { makeStoreDisk, type StoreDisk } from "../store-disk.ts";

/** An engine of another release, with a store of one kind. */
export interface EngineStore {
  readonly suite: EngineSuite;
  /** `classic`: Docker's own. `containerd`: of dockerd's own containerd, or of the system's. */
  readonly kind: "classic" | "containerd" | "system containerd";
  readonly driver: "btrfs" | "overlay" | "native";
}

export interface StartedEngine {
  readonly engine: DockerEngine;
  readonly version: string;
  /** The directory of its images, relative to the disk's top level. */
  readonly store: string;
}

/** A disk on which engines of other releases keep their images. */
export interface EnginePlace extends StoreDisk {
  /** @param dataRoot the engine's directory, relative to the disk's top level */
  readonly start: (
    store: EngineStore,
    dataRoot: string,
  ) => Promise<StartedEngine>;
  readonly open: (store: string, kind?: StoreKind) => ImageStore;
  readonly find: (store: string, text: string, kind?: StoreKind) => FoundImage;
}

/** Makes one; all ends with the test. */
export async function makeEnginePlace(
  t: Test,
  name: string,
  options?: DiskOptions,
): Promise<EnginePlace> {
  const roots = await findEngineRoots();
  const disk = await makeStoreDisk(t, name, options);
  const { scratch, top } = disk;
  const open: EnginePlace["open"] = (store, kind) => {
    const host = createHost("/", createLog([]));
    return openStore({ host, topLevel: top, path: store }, kind);
  };
  return {
    ...disk,
    open,
    find: (store, text, kind) =>
      open(store, kind).find(parseImageReference(text)),
    start: async ({ suite, kind, driver }, dataRoot) => {
      const scratchDir = path.join(scratch, `engine-${dataRoot}`);
      mkdirSync(scratchDir, { recursive: true });
      const containerd = `${dataRoot}-containerd`;
      const isSystem = kind === "system containerd";
      const isClassic = kind === "classic";
      const engine = await startDockerEngine({
        dataRoot: path.join(top, dataRoot),
        ...{ scratchDir, engineRoot: roots[suite], directories: [scratch] },
        storageDriver: nameOf(driver, isClassic),
        config: isClassic
          ? {}
          : { features: { "containerd-snapshotter": true } },
        ...(isSystem && { containerdRoot: path.join(top, containerd) }),
      });
      t.teardown(engine.stop);
      const version = await engine.docker([
        ...["version", "--format", "{{.Server.Version}}"],
      ]);
      return {
        engine,
        version: version.replace(/\+.*/, ""),
        store: isSystem ? containerd : dataRoot,
      };
    },
  };
}

/** containerd's snapshotter has another name than Docker's driver. */
function nameOf(driver: EngineStore["driver"], isClassic: boolean): string {
  if (driver !== "overlay") return driver;
  return isClassic ? "overlay2" : "overlayfs";
}
