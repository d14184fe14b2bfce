import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import path from "node:path";
import type { Test } from "tap";
import {
  makePodmanEngine,
  type PodmanEngine,
} from "../../../fixtures/podman-engine.ts";
import { ALIASES } from "../../../fixtures/podman-images.ts";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";
import { parseImageReference } from "../../../runtime/images/image-ref.ts";
import { openStore } from "../../../runtime/stores/open-store.ts";
import type {
  FoundImage,
  StoreLocation,
} from "../../../runtime/stores/store.ts";
import { checkAnswers, type References } from "./engine-references.ts";
import { askPodman } from "./podman-answers.ts";

/** A store, and the podman that writes it. */
export interface PodmanBench {
  readonly engine: PodmanEngine;
  readonly location: StoreLocation;
  readonly find: (text: string) => FoundImage;
  /** Each reference leads to what podman says, and to the tree that it exports. */
  readonly check: (t: Test, references: References) => Promise<void>;
  /** What was checked, in order. */
  readonly checked: string[];
  /** How many of them lead elsewhere. */
  readonly wrong: () => number;
}

/** Makes a store. */
export async function makePodmanBench({
  disk,
  scratch,
  store,
  storageDriver,
  engineRoot,
}: {
  readonly disk: string;
  readonly scratch: string;
  /** Its name on the disk. */
  readonly store: string;
  readonly storageDriver: string;
  readonly engineRoot: string | undefined;
}): Promise<PodmanBench> {
  const graphRoot = path.join(disk, store);
  if (storageDriver === "btrfs") {
    execFileSync("btrfs", ["-q", "subvolume", "create", graphRoot]);
  }
  const engine = await makePodmanEngine({
    graphRoot,
    scratchDir: path.join(scratch, `engine-${store}`),
    storageDriver,
    registries: ALIASES,
    ...(engineRoot !== undefined && { engineRoot }),
  });
  const exports = path.join(scratch, `exports-${store}`);
  mkdirSync(exports);
  const host = createHost("/", createLog([]));
  const location = { host, topLevel: disk, path: store };
  const find = (text: string) =>
    openStore(location).find(parseImageReference(text));
  const checked: string[] = [];
  let wrong = 0;
  return {
    engine,
    location,
    find,
    check: async (t, references) => {
      const answers = await askPodman(engine, references, exports);
      wrong += checkAnswers(t, answers, find, { scratch, top: disk }).wrong;
      checked.push(...Object.values(references).flat());
    },
    checked,
    wrong: () => wrong,
  };
}
