import { mkdirSync } from "node:fs";
import path from "node:path";
import {
  startDockerEngine,
  type DockerEngine,
} from "../../fixtures/docker-engine.ts";
import type { EngineSuite } from "../../fixtures/engine-root.ts";

/** An engine of another release with a store of one kind. */
export interface EngineStore {
  readonly suite: EngineSuite;
  /** `classic`: Docker's own. `containerd`: of dockerd's own containerd, or of the system's. */
  readonly kind: "classic" | "containerd" | "system containerd";
}

export interface StartedEngine {
  readonly engine: DockerEngine;
  /** The store's directory, relative to the disk's top level. */
  readonly store: string;
  readonly version: string;
}

/** Starts the engine; its store has the given name below `top`. */
export async function startEngineStore(
  { kind }: EngineStore,
  options: {
    readonly engineRoot: string;
    readonly scratch: string;
    /** The mounted disk, below `scratch`. */
    readonly top: string;
    readonly name: string;
    readonly driver?: "btrfs" | "overlay2";
  },
): Promise<StartedEngine> {
  const { engineRoot, scratch, top, name, driver = "btrfs" } = options;
  const scratchDir = path.join(scratch, `engine-${name}`);
  mkdirSync(scratchDir, { recursive: true });
  const containerd = `${name}-containerd`;
  const isSystem = kind === "system containerd";
  const engine = await startDockerEngine({
    dataRoot: path.join(top, name),
    scratchDir,
    engineRoot,
    directories: [scratch],
    storageDriver: driver,
    config:
      kind === "classic"
        ? {}
        : { features: { "containerd-snapshotter": true } },
    ...(isSystem && { containerdRoot: path.join(top, containerd) }),
  });
  const version = await engine.docker([
    ...["version", "--format", "{{.Server.Version}}"],
  ]);
  return {
    engine,
    store: isSystem ? containerd : name,
    version: version.replace(/\+.*/, ""),
  };
}
