import path from "node:path";
import { BootError } from "../../runtime/base/errors.ts";
import { summarizeFailure } from "../../runtime/base/failure.ts";
import { checkBootable } from "../../runtime/boot/bootable.ts";
import { gatherOptions } from "../../runtime/boot/gather-options.ts";
import { lookAtDisk, planOn } from "../../runtime/boot/look-at-disk.ts";
import { DEFAULT_RUN_DIRECTORY } from "../../runtime/disk/run-directory.ts";
import type { Host } from "../../runtime/host/host.ts";
import { readKernelRelease } from "../../runtime/host/machine.ts";
import {
  formatImageReference,
  goArchitecture,
  hexOf,
  parseImageReference,
} from "../../runtime/images/image-ref.ts";
import {
  parseOptions,
  readBootOptions,
} from "../../runtime/options/options.ts";
import { keptImagePaths } from "../../runtime/options/rwlayer-names.ts";
import type {
  Deployment,
  Deployments,
} from "../../runtime/records/deployments.ts";
import { openStore } from "../../runtime/stores/open-store.ts";
import type { FoundImage } from "../../runtime/stores/store.ts";
import { withBootPlace, type BootPlace } from "../loaders/boot-place.ts";
import {
  formatCmdline,
  type LoaderName,
} from "../loaders/formats/boot-loader.ts";
import { planOptions } from "../loaders/plan/plan-options.ts";
import { homeBelow, type StoreChoice } from "../system/find-store.ts";
import { readImageReference } from "../system/image.ts";
import {
  bootDirectory,
  copyBootFiles,
  findBootFiles,
  missingBytes,
  noRoom,
  type BootFiles,
} from "./boot-files.ts";
import {
  readDeployments,
  recordDurably,
  withDeployDisk,
  type DeployDisk,
} from "./deploy-disk.ts";
import { keepImage } from "./kept-images.ts";
import {
  chooseRetired,
  inMenu,
  listRemovable,
  markGood,
  retire,
  withChanged,
} from "./plan/deployments.ts";
import { settle } from "./settle.ts";

/** Where the tutorial has the top layer. */
const TOP_LAYER_DIRECTORY = "boot_docker";

/** Does work that takes a while, and tells so meanwhile. */
type Progress = <T>(what: string, work: () => Promise<T>) => Promise<T>;

export interface UpgradeRequest {
  /** As a user writes it; `undefined`: the one that this machine follows. */
  readonly reference: string | undefined;
  /** Whether the machine follows that one from now on. */
  readonly isSwitch: boolean;
  readonly kernel: string | undefined;
  readonly loader: LoaderName | undefined;
  readonly store: StoreChoice;
  readonly isDry: boolean;
  /** What the registry calls an image. */
  readonly readRepoDigest: (reference: string) => Promise<string | null>;
}

export interface UpgradeResult {
  readonly kind: "unchanged" | "planned" | "upgraded";
  /** What runs; `undefined` where that is no deployment. */
  readonly from: Deployment | undefined;
  readonly to: Deployment;
  /** The numbers of those that went, to make room or past the limit. */
  readonly removed: readonly number[];
  /** Where the entry is. */
  readonly loader: string;
  readonly warnings: readonly string[];
}

/**
 * Makes the newest deployment: keeps the image, copies its boot files, and writes the menu entry that
 * boots next.
 * @param compare gets the trees of what runs and of what is next, absolute, while they can be read
 * @throws BootError before anything is changed; after that, the next call takes back what is half made
 */
export async function upgrade<T>(
  host: Host,
  request: UpgradeRequest,
  progress: Progress,
  compare: (tree: string) => Promise<T>,
): Promise<UpgradeResult & { readonly compared: T }> {
  const access = request.isDry ? "ro" : "rw";
  return withDeployDisk(host, request.store, access, (deploy) =>
    withBootPlace(
      host,
      { store: deploy.store, given: request.loader },
      async (place) => {
        const upgrader = new Upgrader(host, request, progress, deploy, place);
        return upgrader.run(compare);
      },
    ),
  );
}

/** What is to be deployed, found and checked; nothing is changed yet. */
interface Target {
  readonly reference: string;
  readonly image: FoundImage;
  readonly boot: BootFiles;
  readonly repoDigest: string | null;
}

class Upgrader {
  readonly #host: Host;
  readonly #request: UpgradeRequest;
  readonly #progress: Progress;
  readonly #deploy: DeployDisk;
  readonly #place: BootPlace;
  readonly #warnings: string[] = [];

  constructor(
    host: Host,
    request: UpgradeRequest,
    progress: Progress,
    deploy: DeployDisk,
    place: BootPlace,
  ) {
    this.#host = host;
    this.#request = request;
    this.#progress = progress;
    this.#deploy = deploy;
    this.#place = place;
  }

  async run<T>(
    compare: (tree: string) => Promise<T>,
  ): Promise<UpgradeResult & { readonly compared: T }> {
    const { disk, running } = this.#deploy;
    const { isDry } = this.#request;
    let state = markGood(readDeployments(disk), running);
    this.#refuseOtherPlace(state);
    if (!isDry && state.deployments.length > 0) {
      state = await settle(this.#host, this.#deploy, this.#place, state);
    }
    const target = await this.#findTarget(state);
    const compared = await compare(disk.at(target.image.source));
    const done = (
      kind: UpgradeResult["kind"],
      to: Deployment,
      removed: readonly number[] = [],
    ) => ({
      ...{ kind, to, removed, compared, warnings: this.#warnings },
      from: state.deployments.find(({ n }) => n === running),
      loader: this.#place.loader.title,
    });
    const newest = inMenu(state).at(-1);
    if (
      newest !== undefined &&
      isSame(newest, target) &&
      newest.state !== "bad"
    ) {
      return done("unchanged", newest);
    }
    if (state.deployments.length === 0 && !isDry) {
      state = await this.#adoptRunning(state);
    }
    const to = this.#describe(state, target, state.last + 1);
    const makesRoom = this.#makeRoom(state, target.boot);
    if (isDry)
      return done(
        "planned",
        to,
        makesRoom.map(({ n }) => n),
      );
    if (makesRoom.length > 0) {
      state = await this.#settle(retire(state, makesRoom));
    }
    state = await this.#add(state, to, target);
    const retired = chooseRetired(state, running);
    if (retired.length > 0) state = await this.#settle(retire(state, retired));
    const removed = [...makesRoom, ...retired].map(({ n }) => n);
    return done("upgraded", to, removed);
  }

  #settle(state: Deployments): Promise<Deployments> {
    return settle(this.#host, this.#deploy, this.#place, state);
  }

  /** Boot files of one place cannot be named by a menu of another. */
  #refuseOtherPlace({ bootFilesystem, loader }: Deployments): void {
    const { filesystem, loader: found } = this.#place;
    if (bootFilesystem === null || bootFilesystem === filesystem.uuid) return;
    throw new BootError(
      "LOADER_MISSING",
      `the deployments' boot files are on the filesystem ${bootFilesystem}, for ${loader ?? "another boot loader"}, and ${found.title} reads ${filesystem.device}`,
      {
        hint: `Name the boot loader that has them: --loader ${loader ?? "NAME"}.`,
      },
    );
  }

  async #findTarget(state: Deployments): Promise<Target> {
    const host = this.#host;
    const { disk, place } = this.#deploy;
    const given = this.#request.reference ?? state.reference ?? undefined;
    const wanted =
      given === undefined
        ? readImageReference(host, undefined)
        : parseImageReference(given);
    const { topLevel } = disk;
    const image = openStore(
      { host, topLevel, path: place.path },
      place.kind,
    ).find(wanted);
    const reference = formatImageReference(wanted, image);
    const what = `the image ${reference}`;
    const machine = goArchitecture(host);
    if (image.architecture !== undefined && image.architecture !== machine) {
      throw new BootError(
        "IMAGE_MISSING",
        `${what} is made for ${image.architecture}, this machine is ${machine}`,
        { hint: "Build or pull it for this machine." },
      );
    }
    const tree = disk.at(image.source);
    const boot = await this.#progress(`looking into ${what}`, () =>
      findBootFiles(host, tree, what, this.#request.kernel),
    );
    checkBootable(host, tree, {
      what,
      init: gatherOptions(host).given.get("init")?.value,
      kernelRelease: boot.release,
    });
    const repoDigest = await this.#request.readRepoDigest(reference);
    return { reference, image, boot, repoDigest };
  }

  /** The deployment as its record; its options are this boot's, but for the image. */
  #describe(
    state: Deployments,
    {
      reference,
      image,
      boot,
      repoDigest,
    }: Pick<Target, "reference" | "image" | "boot" | "repoDigest">,
    n: number,
  ): Deployment {
    const host = this.#host;
    const { disk, store, place } = this.#deploy;
    const directory = disk.at(TOP_LAYER_DIRECTORY);
    const { options, notes } = planOptions({
      cmdline: gatherOptions(host).kernel,
      image: image.id,
      store,
      storePath: place.path,
      storeHome: homeBelow(host, disk.topLevel, place.path),
      storeKind: place.kind,
      bootedRwlayer: place.bootedRwlayer,
      topLayerDirectory:
        host.files.statusOf(directory)?.kind === "directory"
          ? TOP_LAYER_DIRECTORY
          : undefined,
      deployment: n,
    });
    if (state.deployments.length === 0) this.#warnings.push(...notes);
    return {
      n,
      image: { reference, id: image.id, repoDigest },
      kernel: {
        release: boot.release,
        digest: boot.digest,
        files: boot.files.map(({ name }) => name),
        bytes: boot.bytes,
      },
      options: formatCmdline(options),
      state: "staged",
      isPinned: false,
      failure: null,
    };
  }

  /**
   * What runs becomes the first deployment, so that there is a way back to it: where its image and its
   * kernel are there to be kept.
   */
  async #adoptRunning(state: Deployments): Promise<Deployments> {
    const host = this.#host;
    const { disk, place, booted } = this.#deploy;
    if (booted === undefined || booted.image === null) return state;
    const { id, reference } = booted.image;
    try {
      const { topLevel } = disk;
      const image = openStore(
        { host, topLevel, path: place.path },
        place.kind,
      ).find(parseImageReference(id));
      const what = `the image ${reference} that runs`;
      const boot = await findBootFiles(
        host,
        disk.at(image.source),
        what,
        readKernelRelease(host),
      );
      const repoDigest = await this.#request.readRepoDigest(reference);
      const target = { reference, image, boot, repoDigest };
      const room = this.#makeRoom(state, boot);
      if (room.length > 0) throw noRoom(this.#place, boot, boot.bytes);
      const adopted = this.#describe(state, target, 1);
      const added = await this.#add(state, adopted, target);
      return markGood(added, 1);
    } catch (error) {
      if (!(error instanceof BootError)) throw error;
      this.#warnings.push(
        `what runs is no deployment, and only its own menu entry leads back to it: ${error.message}`,
      );
      return state;
    }
  }

  /** @returns which deployments go to make room on $BOOT @throws BootError NO_ROOM */
  #makeRoom(state: Deployments, boot: BootFiles): readonly Deployment[] {
    const { store, running } = this.#deploy;
    const isShared = this.#place.filesystem.uuid === store.uuid;
    let missing = missingBytes(this.#host, this.#place, boot, isShared);
    const gone: Deployment[] = [];
    for (const deployment of listRemovable(state, running)) {
      if (missing <= 0) break;
      gone.push(deployment);
      const left = inMenu(state).filter((each) => !gone.includes(each));
      const { digest, bytes } = deployment.kernel;
      if (!left.some(({ kernel }) => kernel.digest === digest))
        missing -= bytes;
    }
    if (missing > 0) throw noRoom(this.#place, boot, missing);
    return gone;
  }

  /** Makes what the deployment needs, and then its entry. */
  async #add(
    before: Deployments,
    staged: Deployment,
    target: Target,
  ): Promise<Deployments> {
    const host = this.#host;
    const { disk } = this.#deploy;
    const { n } = staged;
    const place = this.#place;
    const state: Deployments = {
      ...before,
      bootFilesystem: place.filesystem.uuid ?? null,
      loader: place.loader.name,
      reference:
        this.#request.isSwitch || before.reference === null
          ? target.reference
          : before.reference,
      last: n,
      deployments: [...before.deployments, staged],
    };
    await recordDurably(disk, state);
    try {
      await this.#make(staged, target);
    } catch (error) {
      // Without it the next call would.
      await this.#settle(state).catch((cause: unknown) => {
        host.log.warn(summarizeFailure(cause));
      });
      throw error;
    }
    const shown = withChanged({ ...state, next: n }, (each) =>
      each.n === n ? { state: "candidate" } : undefined,
    );
    return this.#progress(`writing the menu of ${place.loader.title}`, () =>
      this.#settle(shown),
    );
  }

  async #make(
    staged: Deployment,
    { reference, image, boot, repoDigest }: Target,
  ): Promise<void> {
    const host = this.#host;
    const { disk } = this.#deploy;
    const place = this.#place;
    await this.#progress(`keeping the image ${reference}`, () =>
      keepImage(disk, { image, reference, repoDigest, system: null }),
    );
    const { tree } = keptImagePaths(hexOf(image.id));
    const kept = {
      ...boot,
      files: boot.files.map(({ from, name }) => ({
        from: path.join(
          disk.at(tree),
          path.relative(disk.at(image.source), from),
        ),
        name,
      })),
    };
    await this.#progress(
      `copying kernel and initramfs to ${place.filesystem.device}:${bootDirectory(boot.digest)}`,
      () => copyBootFiles(host, place, kept),
    );
    await this.#progress("checking what the boot would do", () =>
      this.#rehearse(staged.options),
    );
  }

  /** As `boot --dry-run` with these options. @throws BootError */
  async #rehearse(cmdline: string): Promise<void> {
    const host = this.#host;
    const options = readBootOptions(parseOptions(cmdline, undefined));
    const runDirectory = host.path(DEFAULT_RUN_DIRECTORY);
    await lookAtDisk(host, options, runDirectory, planOn);
  }
}

function isSame(
  { image, kernel }: Deployment,
  { image: { id }, boot: { digest } }: Target,
): boolean {
  return image.id === id && kernel.digest === digest;
}
