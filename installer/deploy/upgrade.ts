import { BootError } from "../../runtime/base/errors.ts";
import {
  parseOptions,
  readBootOptions,
} from "../../runtime/options/options.ts";
import { summarizeFailure } from "../../runtime/base/failure.ts";
import { showKeptImage } from "../../runtime/disk/kept-images.ts";
import { gatherOptions } from "../../runtime/boot/gather-options.ts";
import type { Host } from "../../runtime/host/host.ts";
import { readKernelRelease } from "../../runtime/host/machine.ts";
import { readInitramfsKind } from "../../runtime/options/options.ts";
import type { InitramfsKind } from "../../runtime/options/table.ts";
import type {
  Deployment,
  Deployments,
  Tries,
} from "../../runtime/records/deployments.ts";
import { withBootPlace, type BootPlace } from "../loaders/boot-place.ts";
import { refuseUnreadMenu } from "../loaders/deployment-menu.ts";
import {
  isLoaderName,
  type LoaderName,
} from "../loaders/formats/boot-loader.ts";
import { comparePackages } from "../packages/compare-packages.ts";
import { noRoom, refuseForeignBootFiles } from "./boot-files.ts";
import {
  readDeployments,
  recordDurably,
} from "../../runtime/disk/deployments-file.ts";
import {
  removeMadeInitramfs,
  type DeployDisk,
  withDeployDisk,
} from "./deploy-disk.ts";
import { countChanges } from "./count-changes.ts";
import { CONFIRM_SERVICE, hasConfirmation } from "./confirmation.ts";
import { findSame, findTarget, type Target } from "./find-target.ts";
import { refuseForeignImage } from "./kept-images.ts";
import { describeDeployment, makeDeployment } from "./make-deployment.ts";
import { makeInitramfs } from "./make-initramfs.ts";
import { chooseForRoom } from "./make-room.ts";
import {
  bringIn,
  chooseRetired,
  findDeployment,
  findRollback,
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
import { refuseOtherDisk, refuseOtherPlace } from "./refuse-other-disk.ts";
import { restoreLost } from "./restore.ts";
import { noteMenu, settle } from "./settle.ts";
import type { UpgradeResult } from "./upgrade-result.ts";

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
    refuseOtherPlace(this.#place, state);
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
        : await comparePackages(this.#host, from, found.tree);
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
    const makesRoom = chooseForRoom(this.#deploy, this.#place, state, target);
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

  #findSame(state: Deployments, target: Target): Deployment | undefined {
    const place = this.#place;
    return findSame(this.#host, place, state, target, this.#initramfs);
  }

  #describe(state: Deployments, target: Target, n: number): Deployment {
    const initramfs = this.#initramfs;
    return describeDeployment(this.#deploy, state, target, { n, initramfs });
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
      const room = chooseForRoom(this.#deploy, this.#place, state, target);
      if (room.length > 0) throw noRoom(this.#place, boot, boot.bytes);
      const adopted = this.#describe(state, target, running);
      return await this.#add(state, adopted, target, true);
    } catch (error) {
      if (!(error instanceof BootError) || error.code === "INTERRUPTED") {
        throw error;
      }
      this.#warnings.push(
        `what runs is no deployment, and only its own menu entry leads back to it: ${error.message}`,
      );
      return readDeployments(this.#deploy.disk);
    }
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
      await makeDeployment(this.#deploy, place, staged, target, this.#progress);
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
      hasBooted ? null : await this.#chooseTries(staged),
    );
    const shown = hasBooted ? confirm(brought, n) : brought;
    return this.#progress(`writing the menu of ${place.loader.title}`, () =>
      this.#settle(shown),
    );
  }

  /** Boots that nobody can confirm are not counted. */
  async #chooseTries({ image, options }: Deployment): Promise<Tries | null> {
    const tree = await showKeptImage(this.#deploy.disk, image.id);
    const { fallback, init } = readBootOptions(
      parseOptions(options, undefined),
    ).disk;
    if (this.#request.tries === 0 || fallback === "none") return null;
    if (init === undefined && hasConfirmation(this.#host, tree)) {
      return { left: this.#request.tries, done: 0 };
    }
    this.#warnings.push(
      `the image does not confirm its boots by ${CONFIRM_SERVICE}: they are not counted, and nothing but the menu leads back from one that fails; dockroot install in the image puts it there`,
    );
    return null;
  }

  /** The target with all its boot files. @throws BootError */
  async #withInitramfs(target: Target): Promise<Target> {
    if (target.generator === undefined) return target;
    const { reference, tree, boot } = target;
    const what = `the image ${reference}`;
    return {
      ...target,
      boot: await makeInitramfs(
        this.#deploy.disk,
        { what, from: tree, boot },
        this.#teller,
      ),
    };
  }
}
