import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import {
  formatImageReference,
  parseImageReference,
} from "../../runtime/images/image-ref.ts";
import type { Deployments } from "../../runtime/records/deployments.ts";
import type { OfferedImage } from "../engines/formats/engine-answers.ts";
import {
  askRegistry,
  findEngine,
  pullImage,
  type Engine,
} from "../engines/pull.ts";
import { homeBelow, type StoreChoice } from "../system/find-store.ts";
import { readImageReference } from "../system/image.ts";
import { readDeployments } from "../../runtime/disk/deployments-file.ts";
import { withDeployDisk } from "./deploy-disk.ts";
import { refuseUnusableStore } from "./refuse-store.ts";

/** How a command tells what it does. */
export interface Teller {
  /** Does work that takes a while, and tells so meanwhile. */
  readonly progress: <T>(what: string, work: () => Promise<T>) => Promise<T>;
  /** Gets each line that the engine prints. */
  readonly tell: (line: string) => void;
}

export interface PullRequest {
  /** As a user writes it; `undefined`: the one that this machine follows. */
  readonly reference: string | undefined;
  /** Whether its engine pulls it first: `auto`, where there is an engine. */
  readonly pull: "always" | "auto" | "never";
  readonly store: StoreChoice;
  /** Nothing is changed: nothing is pulled, either. */
  readonly isDry: boolean;
}

export interface Pulled {
  /** The engine that has the image; `undefined` where none is installed. */
  readonly engine: Engine | undefined;
  /** What the registry has; `null` where it was not asked, or nobody can tell. */
  readonly offered: OfferedImage | null;
}

/**
 * Lets the engine pull the image that is meant; a dry run asks what the registry has. Nobody waits for the disk
 * meanwhile.
 * @throws BootError ENGINE_MISSING, and as `refuseUnusableStore`, `pullImage` and `askRegistry`
 */
export async function pullFirst(
  host: Host,
  { reference: given, pull, store, isDry }: PullRequest,
  { progress, tell }: Teller,
): Promise<Pulled> {
  const { reference, engine, mayPull } = await withDeployDisk(
    host,
    store,
    "ro",
    ({ disk, place }) => {
      const { topLevel } = disk;
      const home = homeBelow(host, topLevel, place.path);
      const reference = chooseReference(host, given, readDeployments(disk));
      const wanted = parseImageReference(reference);
      const mayPull = pull !== "never" && wanted.kind !== "id";
      const engine = findEngine(host, { ...place, home });
      if (mayPull && engine !== undefined) {
        const at = { host, topLevel, path: place.path };
        refuseUnusableStore(at, place, wanted);
      }
      return Promise.resolve({ reference, engine, mayPull });
    },
  );
  const nothing = { engine, offered: null };
  if (!mayPull) return nothing;
  if (engine === undefined) {
    if (pull === "auto") return nothing;
    throw new BootError(
      "ENGINE_MISSING",
      "no engine is installed that could pull the image",
      {
        hint: "Install docker or podman, or take what the image store has: --pull never.",
      },
    );
  }
  if (isDry) {
    const offered = await progress(`asking the registry for ${reference}`, () =>
      askRegistry(host, engine, reference),
    );
    return { engine, offered: offered ?? null };
  }
  const { kind, denial } = await pullImage(host, engine, reference, tell);
  if (kind === "local") {
    const why = denial === undefined ? "" : `: ${denial.message}`;
    tell(`${reference} was built here, and is taken as it is${why}`);
  }
  return nothing;
}

/** As the engine knows it: what is given, what the machine follows, or what its options name. */
export function chooseReference(
  host: Host,
  given: string | undefined,
  { reference }: Deployments,
): string {
  const text = given ?? reference ?? undefined;
  return text === undefined
    ? formatImageReference(readImageReference(host, undefined))
    : formatImageReference(parseImageReference(text));
}
