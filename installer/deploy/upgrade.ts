import path from "node:path";
import { BootError } from "../../runtime/base/errors.ts";
import { summarizeFailure } from "../../runtime/base/failure.ts";
import { isBelow } from "../../runtime/base/is-below.ts";
import { gatherOptions } from "../../runtime/boot/gather-options.ts";
import { lookAtDisk, planOn } from "../../runtime/boot/look-at-disk.ts";
import { DEFAULT_RUN_DIRECTORY } from "../../runtime/disk/run-directory.ts";
import { silence, type Host } from "../../runtime/host/host.ts";
import { readKernelRelease } from "../../runtime/host/machine.ts";
import { hexOf } from "../../runtime/images/image-ref.ts";
import type { CmdlineOption } from "../../runtime/options/cmdline.ts";
import {
  parseOptions,
  readBootOptions,
  readInitramfsKind,
} from "../../runtime/options/options.ts";
import { keptImagePaths } from "../../runtime/options/rwlayer-names.ts";
import type { InitramfsKind } from "../../runtime/options/table.ts";
import type {
  Deployment,
  Deployments,
  Tries,
} from "../../runtime/records/deployments.ts";
import type { OfferedImage } from "../engines/formats/engine-answers.ts";
import type { GeneratorName } from "../generators/generator.ts";
import { withBootPlace, type BootPlace } from "../loaders/boot-place.ts";
import { refuseUnreadMenu } from "../loaders/deployment-menu.ts";
import {
  formatCmdline,
  isLoaderName,
  type LoaderName,
} from "../loaders/formats/boot-loader.ts";
import { planOptions } from "../loaders/plan/plan-options.ts";
import { comparePackages } from "../packages/compare-packages.ts";
import type { PackageChanges } from "../packages/formats/package-lists.ts";
import { homeBelow } from "../system/find-store.ts";
import {
  areBootFilesIntact,
  copyBootFiles,
  missingBytes,
  noRoom,
  refuseForeignBootFiles,
  type BootFiles,
} from "./boot-files.ts";
import {
  readDeployments,
  recordDurably,
} from "../../runtime/disk/deployments-file.ts";
import {
  readOtherDeployments,
  removeMadeInitramfs,
  type DeployDisk,
  withDeployDisk,
} from "./deploy-disk.ts";
import { countChanges } from "./count-changes.ts";
import { CONFIRM_SERVICE, hasConfirmation } from "./confirmation.ts";
import { findTarget, type Target } from "./find-target.ts";
import { keepImage, refuseForeignImage } from "./kept-images.ts";
import { makeInitramfs } from "./make-initramfs.ts";
import {
  bringIn,
  chooseRetired,
  findDeployment,
  findRollback,
  inMenu,
  listRemovable,
  confirm,
  noteBoots,
  retire,
} from "./plan/deployments.ts";
import {
  chooseReference,
  pullFirst,
  type Pulled,
  type PullRequest,
  type Teller,
} from "./pull-first.ts";
import { refuseOtherDisk } from "./refuse-other-disk.ts";
import { restoreLost } from "./restore.ts";
import { noteMenu, RESTART, settle } from "./settle.ts";

/** Where the tutorial has the top layer. */
const TOP_LAYER_DIRECTORY = "boot_docker";

export interface UpgradeRequest extends PullRequest {
  /** Whether the machine follows that image from now on. */
  readonly isSwitch: boolean;
  readonly kernel: string | undefined;
  /** `undefined`: as the configuration says. */
  readonly initramfs: InitramfsKind | undefined;
  /** How often it may boot before it is confirmed; 0: that is not counted. */
  readonly tries: number;
  readonly loader: LoaderName | undefined;
}

export interface UpgradeResult {
  readonly kind: "unchanged" | "planned" | "upgraded";
  /** What runs; `undefined` where that is no deployment. */
  readonly from: Deployment | undefined;
  readonly to: Deployment;
  /** Whether that boots next. */
  readonly isNext: boolean;
  /** The number of the deployment that a rollback takes; `null` where there is none. */
  readonly rollback: number | null;
  /** Whether dockroot has made the present root. */
  readonly isBooted: boolean;
  /** What its os-release calls it; `null` where it says nothing. */
  readonly system: string | null;
  /** What makes its initramfs on this machine; `null` where it is the image's. */
  readonly generator: GeneratorName | null;
  /** From what runs; `null` where that is another system, or cannot be told. */
  readonly packages: PackageChanges | null;
  /** How many files of the present root the next one lacks; `null` where that is not known. */
  readonly writtenFiles: number | null;
  /** What the registry has that the store does not; `null` where that is nothing, or was not asked for. */
  readonly offered: OfferedImage | null;
  /** The numbers of those that went, to make room or past the limit. */
  readonly removed: readonly number[];
  /** Whose menu has the entry. */
  readonly loader: string;
  readonly warnings: readonly string[];
}

/**
 * Makes the newest deployment: lets the engine pull the image, keeps it, copies its boot files, and writes the menu
 * entry that boots next.
 * @throws BootError before anything is changed; after that, what is half made is taken back, at the latest
 *   by the next call
 */
export async function upgrade(
  host: Host,
  request: UpgradeRequest,
  teller: Teller,
): Promise<UpgradeResult> {
  const pulled = await pullFirst(host, request, teller);
  const access = request.isDry ? "ro" : "rw";
  return withDeployDisk(host, request.store, access, (deploy) => {
    const { loader, menuFilesystem } = readDeployments(deploy.disk);
    const known = isLoaderName(loader) ? loader : undefined;
    return withBootPlace(
      host,
      {
        store: deploy.store,
        given: request.loader ?? known,
        menuUuid: menuFilesystem ?? undefined,
        access: "rw",
      },
      async (place) => {
        const { disk } = deploy;
        try {
          const tools = [host, request, teller] as const;
          return await new Upgrader(...tools, deploy, place, pulled).run();
        } finally {
          if (!request.isDry) removeMadeInitramfs(disk);
        }
      },
    );
  });
}

class Upgrader {
  readonly #host: Host;
  readonly #request: UpgradeRequest;
  readonly #teller: Teller;
  readonly #progress: Teller["progress"];
  readonly #initramfs: InitramfsKind;
  readonly #deploy: DeployDisk;
  readonly #place: BootPlace;
  readonly #pulled: Pulled;
  readonly #warnings: string[] = [];

  constructor(
    host: Host,
    request: UpgradeRequest,
    teller: Teller,
    deploy: DeployDisk,
    place: BootPlace,
    pulled: Pulled,
  ) {
    this.#host = host;
    this.#request = request;
    this.#teller = teller;
    this.#progress = teller.progress;
    this.#initramfs =
      request.initramfs ?? readInitramfsKind(gatherOptions(host));
    this.#deploy = deploy;
    this.#place = place;
    this.#pulled = pulled;
  }

  async run(): Promise<UpgradeResult> {
    const { engine, offered } = this.#pulled;
    const { disk, running, booted } = this.#deploy;
    const { isDry, reference, kernel } = this.#request;
    let state = noteBoots(readDeployments(disk), running);
    this.#refuseOtherPlace(state);
    refuseUnreadMenu(this.#host, this.#place);
    await refuseOtherDisk(this.#host, this.#deploy, this.#place, state);
    if (state.deployments.length > 0) {
      state = noteMenu(this.#host, this.#deploy, this.#place, state).noted;
    }
    if (!isDry && state.deployments.length > 0) {
      const settled = await this.#settle(state);
      await this.#progress(
        "checking kernels and initramfs of deployments",
        () => restoreLost(this.#host, this.#deploy, this.#place, settled),
      );
      state = settled;
    }
    const wanted = chooseReference(this.#host, reference, state);
    const initramfs = this.#initramfs;
    const found = await this.#progress(`looking into the image ${wanted}`, () =>
      findTarget(this.#host, this.#deploy, {
        ...{ wanted, kernel, initramfs, engine },
      }),
    );
    const from = booted === undefined ? undefined : this.#host.path("/");
    const packages =
      from === undefined
        ? undefined
        : await comparePackages(this.#host, from, disk.at(found.image.source));
    const written =
      booted === undefined ? undefined : await countChanges(disk, booted);
    const done = (
      kind: UpgradeResult["kind"],
      to: Deployment,
      removed: readonly number[] = [],
    ): UpgradeResult => ({
      ...{ kind, to, removed, warnings: this.#warnings },
      from: findDeployment(state, running ?? null),
      isNext: kind !== "unchanged" || to.n === state.next,
      rollback: findRollback(state, running)?.n ?? null,
      isBooted: booted !== undefined,
      system: found.system,
      generator: found.generator ?? null,
      packages: packages ?? null,
      writtenFiles: written ?? null,
      offered: offered?.configId === found.image.configId ? null : offered,
      loader: this.#place.loader.title,
    });
    const same = this.#findSame(state, found);
    if (same !== undefined) {
      await this.#follow(state, found.reference);
      return done("unchanged", same);
    }
    if (state.deployments.length === 0 && !isDry) {
      state = await this.#adoptRunning(state);
      const adopted = this.#findSame(state, found);
      if (adopted !== undefined) {
        await this.#follow(state, found.reference);
        return done("upgraded", adopted);
      }
    }
    const target = isDry ? found : await this.#withInitramfs(found);
    // What runs may be of a deployments.json that was lost.
    const n = Math.max(state.last, running ?? 0) + 1;
    const to = this.#describe(state, target, n);
    const makesRoom = this.#makeRoom(state, target.boot);
    const gone = makesRoom.map(({ n }) => n);
    if (isDry) return done("planned", to, gone);
    if (makesRoom.length > 0) {
      state = await this.#settle(retire(state, makesRoom));
    }
    const before = state;
    state = await this.#add(state, to, target);
    const retired = chooseRetired(state, running);
    if (retired.length > 0) state = await this.#settle(retire(state, retired));
    const left = new Set(state.deployments.map(({ n }) => n));
    const removed = [...makesRoom, ...before.deployments]
      .map(({ n }) => n)
      .filter((n) => !left.has(n));
    return done("upgraded", to, [...new Set(removed)]);
  }

  /** The machine follows what `switch` names, although it has that image already. */
  async #follow(state: Deployments, reference: string): Promise<void> {
    const { isSwitch, isDry } = this.#request;
    if (!isSwitch || isDry || state.reference === reference) return;
    await recordDurably(this.#deploy.disk, { ...state, reference });
  }

  #settle(state: Deployments): Promise<Deployments> {
    return settle(this.#host, this.#deploy, this.#place, state, this.#progress);
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

  /** The deployment as its record; its options are this boot's, but for the image. */
  #describe(
    state: Deployments,
    { reference, image, boot, repoDigest }: Target,
    n: number,
  ): Deployment {
    const host = this.#host;
    const { disk, store, place } = this.#deploy;
    const directory = disk.at(TOP_LAYER_DIRECTORY);
    const { options, notes } = planOptions({
      cmdline: this.#withoutRestart(state, gatherOptions(host).kernel),
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
    if (state.deployments.length === 0) {
      for (const note of notes) host.log.info(note);
    }
    return {
      n,
      image: { reference, id: image.id, repoDigest },
      kernel: {
        release: boot.release,
        digest: boot.digest,
        files: boot.files.map(({ name }) => name),
        bytes: boot.bytes,
        initramfs: this.#initramfs,
      },
      options: formatCmdline(options),
      state: "staged",
      tries: null,
      isPinned: false,
      failure: null,
    };
  }

  /** The options that this boot was given, without what a candidate has besides. */
  #withoutRestart(
    state: Deployments,
    cmdline: readonly CmdlineOption[],
  ): readonly CmdlineOption[] {
    const running = findDeployment(state, this.#deploy.running ?? null);
    if (running === undefined || running.options.includes(RESTART)) {
      return cmdline;
    }
    return cmdline.filter((option) => formatCmdline([option]) !== RESTART);
  }

  /**
   * What runs becomes the first deployment, so that there is a way back to it: where its image and its
   * kernel are there to be kept.
   */
  async #adoptRunning(state: Deployments): Promise<Deployments> {
    const host = this.#host;
    const { booted, running = state.last + 1 } = this.#deploy;
    if (booted === undefined || booted.image === null) return state;
    const { id, reference } = booted.image;
    try {
      const found = await findTarget(host, this.#deploy, {
        ...{ wanted: id, name: reference, engine: this.#pulled.engine },
        kernel: readKernelRelease(host),
        initramfs: this.#initramfs,
      });
      const target = await this.#withInitramfs(found);
      const { boot } = target;
      const room = this.#makeRoom(state, boot);
      if (room.length > 0) throw noRoom(this.#place, boot, boot.bytes);
      const adopted = this.#describe(state, target, running);
      return await this.#add(state, adopted, target, true);
    } catch (error) {
      if (!(error instanceof BootError)) throw error;
      this.#warnings.push(
        `what runs is no deployment, and only its own menu entry leads back to it: ${error.message}`,
      );
      return readDeployments(this.#deploy.disk);
    }
  }

  /** @returns which deployments go to make room on $BOOT @throws BootError NO_ROOM */
  #makeRoom(state: Deployments, boot: BootFiles): readonly Deployment[] {
    const { disk, store, running } = this.#deploy;
    const isShared = this.#place.filesystem.uuid === store.uuid;
    let missing = missingBytes(this.#host, this.#place, boot, isShared);
    if (missing <= 0) return [];
    const others = readOtherDeployments(disk);
    const gone: Deployment[] = [];
    for (const deployment of others ? listRemovable(state, running) : []) {
      if (missing <= 0) break;
      gone.push(deployment);
      const own = inMenu(state).filter((each) => !gone.includes(each));
      const left = [...own, ...(others ?? [])];
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
    hasBooted = false,
  ): Promise<Deployments> {
    const host = this.#host;
    const { disk } = this.#deploy;
    const { n } = staged;
    const place = this.#place;
    const state: Deployments = {
      ...before,
      bootFilesystem: place.filesystem.uuid ?? null,
      menuFilesystem: place.menuFilesystem.uuid ?? null,
      loader: place.loader.name,
      last: Math.max(before.last, n),
      deployments: [...before.deployments, staged],
    };
    refuseForeignImage(disk, staged.image.id);
    const { digest } = target.boot;
    if (!before.deployments.some(({ kernel }) => kernel.digest === digest)) {
      refuseForeignBootFiles(host, place, target.boot);
    }
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
    const reference =
      this.#request.isSwitch || before.reference === null
        ? target.reference
        : before.reference;
    const brought = bringIn(
      { ...state, reference },
      n,
      this.#deploy.running,
      hasBooted ? null : this.#chooseTries(staged),
    );
    const shown = hasBooted ? confirm(brought, n) : brought;
    return this.#progress(`writing the menu of ${place.loader.title}`, () =>
      this.#settle(shown),
    );
  }

  /** Boots that nobody can confirm are not counted. */
  #chooseTries({ image }: Deployment): Tries | null {
    const { disk } = this.#deploy;
    const { tree } = keptImagePaths(hexOf(image.id));
    if (this.#request.tries === 0) return null;
    if (hasConfirmation(this.#host, disk.at(tree))) {
      return { left: this.#request.tries, done: 0 };
    }
    this.#warnings.push(
      `the image has no ${CONFIRM_SERVICE}: its boots are not counted, and nothing but the menu leads back from one that fails; dockroot install in the image puts it there`,
    );
    return null;
  }

  async #make(
    staged: Deployment,
    { reference, image, boot, repoDigest, system }: Target,
  ): Promise<void> {
    const host = this.#host;
    const { disk } = this.#deploy;
    const place = this.#place;
    await this.#progress(`keeping the image ${reference}`, () =>
      keepImage(disk, { image, reference, repoDigest, system }),
    );
    const { tree } = keptImagePaths(hexOf(image.id));
    const kept = {
      ...boot,
      files: boot.files.map(({ from, name }) => ({
        from: isBelow(from, disk.at(image.source))
          ? path.join(disk.at(tree), path.relative(disk.at(image.source), from))
          : from,
        name,
      })),
    };
    await this.#progress(
      `copying kernel and initramfs to ${place.filesystem.device}`,
      () => copyBootFiles(host, place, kept),
    );
    await this.#progress("checking what the boot would do", () =>
      this.#rehearse(staged.options),
    );
  }

  /** As `boot --dry-run` with these options. @throws BootError */
  async #rehearse(cmdline: string): Promise<void> {
    const host = silence(this.#host);
    const options = readBootOptions(parseOptions(cmdline, undefined));
    const runDirectory = host.path(DEFAULT_RUN_DIRECTORY);
    await lookAtDisk(host, options, runDirectory, planOn);
  }

  /** The newest deployment, where it is the target already: one that is bad is not made once more. */
  #findSame(
    state: Deployments,
    { image, boot }: Target,
  ): Deployment | undefined {
    const newest = inMenu(state).at(-1);
    if (newest?.image.id !== image.id) return undefined;
    const { kernel } = newest;
    const isSame =
      this.#initramfs === "image"
        ? kernel.digest === boot.digest
        : // Each one that is made differs.
          kernel.initramfs === "machine" &&
          kernel.release === boot.release &&
          areBootFilesIntact(this.#host, this.#place, kernel);
    return isSame ? newest : undefined;
  }

  /** The target with all its boot files. @throws BootError */
  async #withInitramfs(target: Target): Promise<Target> {
    if (target.generator === undefined) return target;
    const { reference, image, boot } = target;
    const what = `the image ${reference}`;
    return {
      ...target,
      boot: await makeInitramfs(
        this.#deploy.disk,
        { what, source: image.source, boot },
        this.#teller,
      ),
    };
  }
}
