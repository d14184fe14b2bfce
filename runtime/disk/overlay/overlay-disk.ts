import path from "node:path";
import { BootError } from "../../base/errors.ts";
import { formatJson } from "../../base/escape.ts";
import type { Host } from "../../host/host.ts";
import { readRandomUuid } from "../../host/machine.ts";
import { generationNumbers } from "../../options/rwlayer-names.ts";
import {
  emptyState,
  withRecord,
  type RwlayerState,
  type SubvolumeRecord,
  type TimeSpan,
} from "../../records/rwlayer-state.ts";
import { mountMemory, type MountStack } from "../mount-stack.ts";
import type { DiskFacts, PathState } from "../disk.ts";
import { Disk } from "../disk.ts";
import type { RootImage } from "../../stores/store.ts";
import { layerPath, listMissing } from "./layers.ts";
import { mountOverlay, type OverlayTree } from "./mount-overlay.ts";
import { readRootFile, RECORD, UPPER, WORK } from "./root-files.ts";

/** Where overlays are mounted. Absolute. */
export interface OverlayPlaces {
  /** For a root, to be looked at; images are beside it. */
  readonly view: string;
  /** A root that is being made, or tried. */
  readonly next: string;
  /** What the initramfs gets. */
  readonly root: string;
  /** For a tmpfs with what is written to a root. */
  readonly memory: string;
  /** For links to layers, while something is being mounted. */
  readonly links: string;
}

/** What an overlay is mounted with. */
interface Mounting {
  readonly places: OverlayPlaces;
  /** Gets what is mounted; whoever made it releases that. */
  readonly mounts: MountStack;
}

/**
 * A disk whose roots are directories: each is an overlay of layers that dockroot holds and of a directory with
 * what was written to it. Each says itself what it is, in its root.json.
 */
export class OverlayDisk extends Disk {
  readonly #mounting: Mounting | undefined;
  /** Where the tree of a root is, by the root's path. */
  readonly #trees = new Map<string, string>();
  /** Where the trees of images are, by their layers' directories. */
  readonly #images = new Map<string, string>();

  /** @param mounting without it nothing can be mounted */
  constructor(
    host: Host,
    topLevel: string,
    rwlayer: string,
    mounting?: Mounting,
  ) {
    super(host, topLevel, rwlayer);
    this.#mounting = mounting;
  }

  get #mounts(): MountStack {
    return this.#required().mounts;
  }

  get #places(): OverlayPlaces {
    return this.#required().places;
  }

  #required(): Mounting {
    if (this.#mounting !== undefined) return this.#mounting;
    throw new Error("nothing can be mounted");
  }

  override readonly isOverlay = true;

  override inspect(file: string): Promise<PathState> {
    return Promise.resolve(this.#inspect(file));
  }

  #inspect(file: string): PathState {
    const kind = this.host.files.statusOf(this.at(file))?.kind;
    if (kind === undefined) return { kind: "nothing" };
    if (kind !== "directory") return { kind: "other" };
    const record = this.readRecord(file);
    if (record === undefined) {
      const owner = readRootFile(this, file)?.rwlayer;
      if (owner !== undefined) return { kind: "other", owner };
      return { kind: this.isBegun(file) ? "begun" : "other" };
    }
    return { kind: "root", record, isAdopted: false };
  }

  /**
   * Whether a boot has begun to make a root there and nothing of it was durable but names: an empty directory,
   * or a record of which nothing can be read beside what else belongs to a root.
   */
  isBegun(file: string): boolean {
    const { files } = this.host;
    const isDirectory = files.statusOf(this.at(file))?.kind === "directory";
    if (!isDirectory || readRootFile(this, file) !== undefined) return false;
    const names = files.namesIn(this.at(file));
    const own: readonly string[] = [RECORD, UPPER, WORK];
    return (
      names.every((name) => own.includes(name) || name.startsWith(RECORD)) &&
      (names.length === 0 || names.some((name) => name.startsWith(RECORD)))
    );
  }

  /** What a root says of itself; `undefined` where there is none that dockroot made. */
  readRecord(root: string): SubvolumeRecord | undefined {
    const state = readRootFile(this, root);
    const isOurs = state?.rwlayer === this.paths.rwlayer;
    return isOurs ? state.subvolumes[0] : undefined;
  }

  override readFacts(): Promise<DiskFacts> {
    const { paths } = this;
    return Promise.resolve({
      paths,
      state: this.readState(),
      stateDamage: undefined,
      rwlayer: this.#inspect(paths.rwlayer),
    });
  }

  /** All roots of this rwlayer, as each says itself. */
  override readState(): RwlayerState {
    return this.listRoots()
      .map((file) => this.readRecord(file))
      .filter((record) => record !== undefined)
      .reduce(withRecord, emptyState(this.paths.rwlayer));
  }

  /** What stands where a root of this rwlayer would, and has a part of one. */
  listRoots(): string[] {
    const { rwlayer, staging, generations } = this.paths;
    const numbers = generationNumbers(this.generationNames());
    const isRoot = (file: string) =>
      [RECORD, UPPER].some((name) => {
        const own = this.at(path.join(file, name));
        return this.host.files.statusOf(own) !== undefined;
      });
    return [
      ...(this.isBegun(staging) ? [] : [staging]),
      ...numbers.map((number) => path.join(generations, String(number))),
      rwlayer,
    ].filter(isRoot);
  }

  /** When a root was handed over to init, or made, and when what was written to it since then was changed. */
  *listChanges(root: string): Generator<number> {
    const [top] = this.host.files.walkTree(this.at(root));
    for (const { name, changedMs } of top?.entries ?? []) {
      if (name === RECORD) yield changedMs;
    }
    const before = this.readRecord(root)?.writtenBefore;
    for (const changedMs of this.#listWrites(root)) {
      const isBefore =
        before && changedMs >= before.fromMs && changedMs <= before.toMs;
      if (isBefore !== true) yield changedMs;
    }
  }

  /** When what was written to a root was changed; `undefined` where nothing was. */
  findTimeOfWrites(root: string): TimeSpan | undefined {
    let span: TimeSpan | undefined;
    for (const changedMs of this.#listWrites(root)) {
      const { fromMs = Infinity, toMs = 0 } = span ?? {};
      span = {
        fromMs: Math.min(fromMs, Math.max(0, Math.floor(changedMs))),
        toMs: Math.max(toMs, Math.ceil(changedMs)),
      };
    }
    return span;
  }

  *#listWrites(root: string): Generator<number> {
    const upper = this.at(path.join(root, UPPER));
    for (const { entries } of this.host.files.walkTree(upper)) {
      for (const { changedMs } of entries) yield changedMs;
    }
  }

  /**
   * Removes a root of ours that is not to boot. Its record goes last: of what an interruption leaves it is known whose
   * it is.
   */
  removeRoot(root: string): void {
    const { files } = this.host;
    for (const name of files.namesIn(this.at(root))) {
      if (name.startsWith(RECORD)) continue;
      files.removeTree(Buffer.from(this.at(path.join(root, name))));
    }
    files.removeTree(Buffer.from(this.at(root)));
  }

  override identify(): Promise<string> {
    return Promise.resolve(readRandomUuid(this.host));
  }

  override writeRecord(root: string, record: SubvolumeRecord): void {
    const { rwlayer } = this.paths;
    const state: RwlayerState = { version: 2, rwlayer, subvolumes: [record] };
    const file = this.at(path.join(root, RECORD));
    this.host.files.writeFile(
      file,
      { text: formatJson(state) },
      // What makes the root durable makes this so.
      { mode: 0o600, durable: record.complete ? "content" : "nothing" },
    );
  }

  /** The tree of a root that is mounted. */
  override treeAt(root: string): string {
    const tree = this.#trees.get(root);
    if (tree === undefined) throw new Error(`${root} is not mounted`);
    return tree;
  }

  /**
   * Makes what takes the writes of a root: empty, and with owner, mode and times of the topmost layer's
   * directory, which are those of `/`; or all that was written to another root.
   * @param from the layer, or the root, relative to the top level
   */
  async makeUpper(
    root: string,
    from: string,
    isCopied: boolean,
  ): Promise<void> {
    const { host } = this;
    const [upper, work] = [UPPER, WORK].map((name) =>
      this.at(path.join(root, name)),
    ) as [string, string];
    const source = isCopied ? path.join(from, UPPER) : from;
    if (isCopied) {
      await host.run([
        ...["cp", "--archive", "--reflink=auto", "--no-target-directory"],
        ...["--", this.at(source), upper],
      ]);
    } else this.#makeEmptyUpper(upper, this.at(source));
    host.files.createDirectory(work, 0o700);
  }

  /** @param like the directory whose owner, mode and times it gets */
  #makeEmptyUpper(upper: string, like: string): void {
    this.host.files.createDirectory(upper, 0o700);
    this.host.files.copyOwnerModeTimes(like, upper);
  }

  /** @throws BootError MOUNT_FAILED, STEP_FAILED */
  async mountRoot(root: string, place: "next" | "root"): Promise<void> {
    const at = this.#places[place];
    await this.#mount(at, {
      layers: this.#layersOf(root),
      upper: {
        directory: this.at(path.join(root, UPPER)),
        work: this.at(path.join(root, WORK)),
      },
    });
    this.#trees.set(root, at);
  }

  /**
   * Mounts a root whose writes stay in memory.
   * @param root whose place it takes
   * @param layers what it is made of; without them it is an earlier root, with all that was written to it
   * @throws BootError MOUNT_FAILED, STEP_FAILED
   */
  async mountVolatile(root: string, layers?: readonly string[]): Promise<void> {
    const { root: at, memory } = this.#places;
    await mountMemory(this.host, memory);
    this.#mounts.add(memory);
    const upper = {
      directory: path.join(memory, UPPER),
      work: path.join(memory, WORK),
    };
    const places = layers ? this.#placesOf(root, layers) : this.#treeOf(root);
    this.#makeEmptyUpper(upper.directory, places[0] ?? "");
    this.host.files.createDirectory(upper.work, 0o700);
    await this.#mount(at, { layers: places, upper });
    this.#trees.set(root, at);
  }

  /** @throws BootError MOUNT_FAILED */
  async unmountRoot(root: string): Promise<void> {
    await this.#mounts.unmount(this.treeAt(root));
    this.#trees.delete(root);
  }

  /** Shows it read-only, in the place of another root. */
  override async showRoot(root: string): Promise<string> {
    const at = this.#places.view;
    if (this.#mounts.has(at)) await this.#mounts.unmount(at);
    await this.#mount(at, { layers: this.#treeOf(root) });
    this.#trees.set(root, at);
    return at;
  }

  /** Shows it read-only, beside other images. */
  override async showImage({
    layers = [],
  }: Pick<RootImage, "layers">): Promise<string> {
    const missing = new Set(listMissing(this, layers));
    const directories = layers.map((layer) =>
      this.at(missing.has(layer) ? layer.directory : layerPath(layer.key)),
    );
    const key = directories.join("\0");
    const { dir, base } = path.parse(this.#places.view);
    const beside = `${String(this.#images.size + 1)}.${base}`;
    const at = this.#images.get(key) ?? path.join(dir, beside);
    if (this.#mounts.has(at)) return at;
    await this.#mount(at, { layers: directories });
    this.#images.set(key, at);
    return at;
  }

  async #mount(at: string, tree: OverlayTree): Promise<void> {
    await mountOverlay(this.host, at, tree, this.#places.links);
    this.#mounts.add(at);
  }

  #treeOf(root: string): string[] {
    return [this.at(path.join(root, UPPER)), ...this.#layersOf(root)];
  }

  /** @throws BootError STEP_FAILED where one of them is gone */
  #layersOf(root: string): string[] {
    return this.#placesOf(root, this.readRecord(root)?.layers ?? []);
  }

  #placesOf(root: string, layers: readonly string[]): string[] {
    const [missing] = listMissing(
      this,
      layers.map((key) => ({ key })),
    );
    if (missing === undefined && layers.length > 0) {
      return layers.map((key) => this.at(layerPath(key)));
    }
    throw new BootError(
      "STEP_FAILED",
      `${root} cannot be mounted: its layer ${missing?.key ?? ""} is not in ${path.dirname(layerPath(""))}`,
      { hint: "Another root, or a new one, can boot." },
    );
  }
}
