import path from "node:path";
import { BootError } from "../base/errors.ts";
import { formatJson } from "../base/escape.ts";
import { readBytesIn } from "../host/follow-in.ts";
import type { Host } from "../host/host.ts";
import { rwlayerPaths, type RwlayerPaths } from "../options/rwlayer-names.ts";
import {
  parseState,
  emptyState,
  findRecord,
  withRecord,
  type RwlayerState,
  type SubvolumeRecord,
} from "../records/rwlayer-state.ts";
import { isSubvolume, readSubvolume, type SubvolumeFacts } from "./btrfs.ts";
import { readMountsOf, type SubvolumeMount } from "./mounts.ts";
import type { Lock } from "../host/lock.ts";
import type { RootImage } from "../stores/store.ts";

const MAX_STATE_BYTES = 16 * 1024 * 1024;

/** What stands at a path on the top level. */
export type PathState =
  | SubvolumeState
  | OverlayState
  | {
      /** `begun`: a directory in which a boot was about to make a root. */
      readonly kind: "nothing" | "other" | "begun";
      /** The rwlayer whose root it is, where that is another. */
      readonly owner?: string;
      readonly record?: undefined;
      readonly subvolume?: undefined;
      readonly isAdopted?: undefined;
    };

export interface SubvolumeState extends KnownRecord {
  readonly kind: "subvolume";
  readonly subvolume: SubvolumeFacts;
}

/** A root that is an overlay. */
interface OverlayState extends KnownRecord {
  readonly kind: "root";
  readonly record: SubvolumeRecord;
  readonly subvolume?: undefined;
}

interface KnownRecord {
  /** `undefined` where it cannot be proved that dockroot made it. */
  readonly record: SubvolumeRecord | undefined;
  /** Whether it is known by its own record alone. */
  readonly isAdopted: boolean;
}

/** In a root's own top directory: what state.json has of that root. */
export const OWN_RECORD = ".dockroot-root.json";

const MAX_RECORD_BYTES = 64 * 1024;
const WRITABLE_BY_OTHERS = 0o022;

/** What the disk holds of ours. */
export interface DiskFacts {
  readonly paths: RwlayerPaths;
  /** With the rwlayer, also where only its own record tells of it. */
  readonly state: RwlayerState;
  /** Why the state file tells nothing, where it is damaged. */
  readonly stateDamage: BootError | undefined;
  readonly rwlayer: PathState;
}

/** See statfs(2). */
const BTRFS_MAGIC = 0x9123683e;

/**
 * A filesystem whose top level is mounted, and what belongs to one rwlayer there: here subvolumes of a
 * btrfs. Files are named by their paths relative to the top level.
 */
export class Disk {
  readonly host: Host;
  /** Where the top level is mounted; absolute. */
  readonly topLevel: string;
  readonly paths: RwlayerPaths;

  constructor(host: Host, topLevel: string, rwlayer: string) {
    this.host = host;
    this.topLevel = topLevel;
    this.paths = rwlayerPaths(rwlayer);
  }

  /** Where a file is on this machine. */
  at(file: string): string {
    return path.join(this.topLevel, file);
  }

  /** Whether its roots are overlays, not subvolumes. */
  readonly isOverlay: boolean = false;

  isBtrfs(): boolean {
    return this.host.files.filesystemType(this.topLevel) === BTRFS_MAGIC;
  }

  /** Where the tree of a root is. */
  treeAt(root: string): string {
    return this.at(root);
  }

  /**
   * Has the tree of a root there, to be looked at.
   * @returns where it is
   * @throws BootError MOUNT_FAILED, STEP_FAILED
   */
  showRoot(root: string): Promise<string> {
    return Promise.resolve(this.treeAt(root));
  }

  /**
   * Has the tree of an image there, to be looked at, until the disk is no longer mounted.
   * @returns where it is
   * @throws BootError MOUNT_FAILED
   */
  showImage({ source }: Pick<RootImage, "layers" | "source">): Promise<string> {
    return Promise.resolve(this.at(source));
  }

  hasSubvolume(file: string): boolean {
    return isSubvolume(this.host, this.at(file));
  }

  /** What stands at a path. @throws HelperError, BootError */
  async inspect(file: string, state: RwlayerState): Promise<PathState> {
    const { host } = this;
    if (host.files.statusOf(this.at(file)) === undefined) {
      return { kind: "nothing" };
    }
    if (!this.hasSubvolume(file)) return { kind: "other" };
    const subvolume = await readSubvolume(host, this.at(file));
    const known = this.recordOf(file, subvolume.uuid, state);
    return { kind: "subvolume", subvolume, ...known };
  }

  /** What is known of the subvolume at a path; what the state does not know is taken at its own word. */
  recordOf(file: string, uuid: string, state: RwlayerState): KnownRecord {
    const known = findRecord(state, uuid);
    const record = known ?? this.#readOwnRecord(file, uuid);
    const isAdopted = known === undefined && record !== undefined;
    return { record, isAdopted };
  }

  /** What is known of the rwlayer. @throws HelperError, BootError */
  async readFacts(): Promise<DiskFacts> {
    const { paths } = this;
    const { state, stateDamage } = this.tryToReadState();
    const rwlayer = await this.inspect(paths.rwlayer, state);
    const { record, isAdopted } = rwlayer;
    const isNew = record !== undefined && isAdopted === true;
    return {
      paths,
      state: isNew ? withRecord(state, record) : state,
      stateDamage,
      rwlayer,
    };
  }

  /**
   * Reads state.json. Where there is none, nothing is ours.
   * @throws BootError FILE_UNREADABLE where it is damaged, STATE_TOO_NEW: then nothing can be proved ours
   */
  readState(): RwlayerState {
    const { host, topLevel, paths } = this;
    if (!this.hasDirectory(paths.directory)) return emptyState(paths.rwlayer);
    try {
      const bytes = readBytesIn(host, topLevel, paths.state, MAX_STATE_BYTES);
      return bytes === undefined
        ? emptyState(paths.rwlayer)
        : parseState(bytes.toString("utf8"));
    } catch (cause) {
      if (cause instanceof BootError && cause.code === "STATE_TOO_NEW") {
        throw new BootError(
          cause.code,
          `${paths.state} was written by a newer dockroot`,
          {
            cause,
            hint: "Boot with the initramfs of that dockroot. If you rename the file instead, dockroot no longer knows which subvolumes it made.",
          },
        );
      }
      throw new BootError("FILE_UNREADABLE", `${paths.state} is damaged`, {
        cause,
        hint: "Nothing is deleted: dockroot can no longer prove which subvolumes it made.",
      });
    }
  }

  /** The state; an empty one, and why, where it is damaged. */
  tryToReadState(): Pick<DiskFacts, "state" | "stateDamage"> {
    try {
      return { state: this.readState(), stateDamage: undefined };
    } catch (error) {
      if (!(error instanceof BootError)) throw error;
      return { state: emptyState(this.paths.rwlayer), stateDamage: error };
    }
  }

  /** The UUID of a root that was just begun. @throws HelperError, BootError */
  async identify(root: string): Promise<string> {
    return (await readSubvolume(this.host, this.at(root))).uuid;
  }

  /** Records what a root is. */
  writeRecord(
    root: string,
    record: SubvolumeRecord,
    state: RwlayerState,
  ): void {
    if (record.complete) this.writeOwnRecord(root, record);
    this.writeState(withRecord(state, record));
  }

  /** Replaces state.json as a whole. */
  writeState(state: RwlayerState): void {
    const text = formatJson(state);
    this.host.files.replaceFile(this.at(this.paths.state), text, 0o600);
  }

  /**
   * Writes what a root is into the root itself: it stays known where state.json is lost, or the root was
   * restored under another UUID. It replaces what the image or the top layer has there, unless that is a
   * directory. What makes the root durable makes this so.
   */
  writeOwnRecord(root: string, record: SubvolumeRecord): void {
    const { files } = this.host;
    const file = this.at(path.join(root, OWN_RECORD));
    if (files.statusOf(file)?.kind === "directory") return;
    // When init gets it is not known here, now or later.
    const { handedOver: _, ...known } = record;
    const { rwlayer } = this.paths;
    const state: RwlayerState = { version: 2, rwlayer, subvolumes: [known] };
    const text = formatJson(state);
    files.writeFile(file, { text }, { mode: 0o600, durable: "nothing" });
  }

  /** A root that is to be removed is none from here on. Nothing where it takes no writes. */
  removeOwnRecord(root: string): void {
    const { files } = this.host;
    if (files.isReadOnly(this.at(root))) return;
    files.removeFile(this.at(path.join(root, OWN_RECORD)));
  }

  /**
   * What a subvolume that state.json does not know says of itself. Only a complete root of this rwlayer is
   * taken at its word, and only a file that root alone can write: images are not trusted to have none.
   * @returns `isCopy` where it is another subvolume than the one that dockroot made
   */
  #readOwnRecord(root: string, uuid: string): SubvolumeRecord | undefined {
    const { files } = this.host;
    const file = this.at(path.join(root, OWN_RECORD));
    const status = files.statusOf(file);
    if (
      status?.kind !== "file" ||
      status.uid !== 0 ||
      (status.mode & WRITABLE_BY_OTHERS) !== 0
    ) {
      return undefined;
    }
    try {
      const start = files.readStart(file, MAX_RECORD_BYTES);
      if (start?.isWhole !== true) return undefined;
      const state = parseState(start.bytes.toString("utf8"));
      const [record] = state.subvolumes;
      if (state.rwlayer !== this.paths.rwlayer || record?.complete !== true) {
        return undefined;
      }
      return record.uuid === uuid ? record : { ...record, uuid, isCopy: true };
    } catch (error) {
      if (error instanceof BootError) return undefined;
      throw error;
    }
  }

  /**
   * The names in the directory of generations; none where a link stands there: it could lead anywhere,
   * and a root in use is known by its path.
   */
  generationNames(): string[] {
    const { files } = this.host;
    const directory = this.at(this.paths.generations);
    return files.statusOf(directory)?.kind === "directory"
      ? files.namesIn(directory)
      : [];
  }

  /** What of the filesystem is mounted, in any mount namespace that can be seen. */
  readMounts(): SubvolumeMount[] {
    return readMountsOf(this.host, this.topLevel);
  }

  /** Where the subvolume of this UUID is; `undefined` where there is none. @throws HelperError */
  async findSubvolume(uuid: string): Promise<string | undefined> {
    const { exitCode, stdout } = await this.host.run(
      ["btrfs", "subvolume", "show", "-u", uuid, this.topLevel],
      { okExitCodes: [0, 1] },
    );
    return exitCode === 0 ? stdout.toString("utf8").split("\n")[0] : undefined;
  }

  /**
   * Whether there is such a directory, no part of whose path is a link, which could lead anywhere.
   * @throws BootError FILE_UNREADABLE where something else stands there
   */
  hasDirectory(directory: string): boolean {
    const parent = path.dirname(directory);
    if (parent !== "." && !this.hasDirectory(parent)) return false;
    const kind = this.host.files.statusOf(this.at(directory))?.kind;
    if (kind === undefined || kind === "directory") return kind !== undefined;
    throw new BootError("FILE_UNREADABLE", `${directory} is not a directory`, {
      hint: "Rename it: dockroot keeps its records there.",
    });
  }
}

/**
 * The right to write to a disk, or to rename what is on it: whoever makes, moves or deletes roots has
 * it, one process at a time. It ends with the process that has it.
 *
 * It is the lock of a directory: of a disk's top level, which is busy for as long as it is held; or of a
 * run directory, for the right to mount and unmount in it and to write its record. A run directory's is
 * taken before the disk's, which is taken through what is mounted there.
 */
export class DiskLock {
  readonly #host: Host;
  readonly #directory: string;
  readonly #where: string;
  #held: Lock | undefined;

  /** @param where in words, to follow "another dockroot has been at work" */
  constructor(host: Host, directory: string, where: string) {
    this.#host = host;
    this.#directory = directory;
    this.#where = where;
  }

  /**
   * Waits for it; nothing where this process has it already.
   * @throws BootError DISK_BUSY after `timeoutMs`, HelperError
   */
  async take(timeoutMs: number): Promise<void> {
    this.#held ??= await this.#host.lockDirectory(this.#directory, timeoutMs);
    if (this.#held !== undefined) return;
    throw new BootError(
      "DISK_BUSY",
      `another dockroot has been at work ${this.#where} for ${String(timeoutMs / 1000)} s`,
      {
        hint: "Wait for it, or end it (ps -ef | grep dockroot), and try again.",
      },
    );
  }

  isHeld(): boolean {
    return this.#held?.isHeld() === true;
  }

  async release(): Promise<void> {
    const lock = this.#held;
    this.#held = undefined;
    await lock?.release();
  }
}
