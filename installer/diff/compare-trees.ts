import { isSystemError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { WholeStatus } from "../../runtime/host/compare-files.ts";
import type { Aspect, Change } from "./formats/change.ts";
import { isDivided, showPath } from "./formats/group-changes.ts";
import type { Candidate } from "./formats/replay.ts";
import { readXattrs } from "./read-xattrs.ts";

/** Two trees, absolute, neither of which changes meanwhile. */
export interface TreePair {
  readonly before: string;
  readonly after: string;
}

export interface Comparison {
  /** Sorted by their paths. */
  readonly changes: readonly Change[];
  /** Whether xattrs could be compared: nothing but getfattr reads them. */
  readonly hasXattrs: boolean;
}

/**
 * Compares two trees at the places where they may differ: exactly, but for times. What came or went as a whole is one
 * change, a directory with all that is in it, unless that is of several groups.
 * @param candidates where else they do not differ; `{ path: "", parts: "all" }` is everywhere
 * @throws HelperError, and what the system says
 */
export async function compareTrees(
  host: Host,
  trees: TreePair,
  candidates: readonly Candidate[],
): Promise<Comparison> {
  const comparison = new TreeComparison(host, trees);
  for (const candidate of candidates) comparison.compare(candidate);
  await comparison.compareOtherNames();
  const hasXattrs = await comparison.compareXattrs();
  return { changes: comparison.changes(), hasXattrs };
}

/** Of a path whose last part may be absent. */
interface Place {
  readonly status: WholeStatus | undefined;
  /** Whether the directory that it would be in is there, reached through no link. */
  readonly hasParent: boolean;
}

class TreeComparison {
  readonly #host: Host;
  readonly #before: Tree;
  readonly #after: Tree;
  readonly #changes = new Map<string, Change>();
  readonly #seen = new Set<string>();
  /** What is in both, and may have other xattrs. */
  readonly #inBoth = new Set<string>();
  /** Changed files that have other names, by their inodes: one of them has been compared. */
  readonly #manyNamed = new Map<bigint, Candidate>();

  constructor(host: Host, { before, after }: TreePair) {
    this.#host = host;
    this.#before = new Tree(host, before);
    this.#after = new Tree(host, after);
  }

  compare(candidate: Candidate): void {
    const pending = [candidate];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const key = `${next.parts === "all" ? "all" : "parts"} ${next.path}`;
      if (this.#seen.has(key)) continue;
      this.#seen.add(key);
      const { path } = next;
      const before = this.#before.look(path);
      const after = this.#after.look(path);
      const isEntered = this.#compareAt(next, before, after);
      if (!isEntered) continue;
      const names = new Set([
        ...this.#before.namesIn(path),
        ...this.#after.namesIn(path),
      ]);
      const directory = path === "" ? "" : `${path}/`;
      for (const name of names) {
        pending.push({ path: directory + name, parts: "all" });
      }
    }
  }

  /** @returns whether what is in it is to be compared, too */
  #compareAt(candidate: Candidate, before: Place, after: Place): boolean {
    const { path, parts } = candidate;
    // Its directory came or went, with all that is in it, or is a subvolume.
    if (!before.hasParent || !after.hasParent) return false;
    if (isSubvolume(path, before.status) || isSubvolume(path, after.status)) {
      return false;
    }
    if (after.status === undefined) {
      if (before.status === undefined) return false;
      this.#add(path, "deleted", before.status, []);
      return false;
    }
    if (before.status === undefined) {
      this.#add(path, "added", after.status, []);
      return false;
    }
    if (before.status.kind !== after.status.kind) {
      this.#add(path, "changed", after.status, ["type"]);
      return false;
    }
    const isEntered = after.status.kind === "directory" && parts === "all";
    if (isUntouched(before.status, after.status)) return isEntered;
    this.#inBoth.add(path);
    const aspects = this.#findAspects(candidate, before.status, after.status);
    if (aspects.length > 0) this.#add(path, "changed", after.status, aspects);
    if (parts !== "all" && after.status.links > 1) {
      this.#manyNamed.set(after.status.inode, candidate);
    }
    return isEntered;
  }

  #findAspects(
    { path, parts }: Candidate,
    before: WholeStatus,
    after: WholeStatus,
  ): Aspect[] {
    const { kind } = after;
    const isRead = parts === "all" || parts.has("content");
    const differs: readonly (readonly [Aspect, boolean])[] = [
      [
        "content",
        kind === "file" &&
          isRead &&
          (before.sizeBytes !== after.sizeBytes || !this.#isSame(path)),
      ],
      ["target", before.target !== after.target],
      ["device", before.device !== after.device],
      ["mode", kind !== "symlink" && before.mode !== after.mode],
      ["owner", before.uid !== after.uid || before.gid !== after.gid],
      [
        "links",
        kind !== "directory" && parts === "all" && before.links !== after.links,
      ],
    ];
    return differs.flatMap(([aspect, isOther]) => (isOther ? [aspect] : []));
  }

  /** What cannot be read counts as changed. */
  #isSame(path: string): boolean {
    try {
      return this.#host.files.hasSameContent(
        this.#before.at(path),
        this.#after.at(path),
      );
    } catch (error) {
      if (!isSystemError(error)) throw error;
      this.#host.log.warn(`cannot read ${showPath(path)}: ${error.message}`);
      return false;
    }
  }

  #add(
    path: string,
    kind: Change["kind"],
    { kind: type, sizeBytes }: WholeStatus,
    aspects: readonly Aspect[],
  ): void {
    const isWhole = kind !== "changed" || aspects.includes("type");
    const tree = kind === "deleted" ? this.#before : this.#after;
    if (
      kind !== "changed" &&
      type === "directory" &&
      isDivided(showPath(path))
    ) {
      const names = tree.namesIn(path);
      for (const name of names) {
        const { status } = tree.look(`${path}/${name}`);
        if (status !== undefined)
          this.#add(`${path}/${name}`, kind, status, []);
      }
      if (names.length > 0) return;
    }
    const { files, bytes } =
      type === "directory" && isWhole
        ? tree.measure(path)
        : { files: 1, bytes: sizeBytes };
    this.#changes.set(path, { path, kind, type, aspects, files, bytes });
  }

  /** A stream names one of the names of an inode that has changed. */
  async compareOtherNames(): Promise<void> {
    for (const [inode, { parts }] of this.#manyNamed) {
      const paths = await this.#after.namesOf(inode);
      for (const path of paths) this.compare({ path, parts });
    }
  }

  /** @returns whether it could be done */
  async compareXattrs(): Promise<boolean> {
    const paths = [...this.#inBoth].filter(
      (path) => this.#after.look(path).status?.kind !== "symlink",
    );
    const before = await readXattrs(this.#host, this.#before.root, paths);
    const after = await readXattrs(this.#host, this.#after.root, paths);
    if (before === undefined || after === undefined) return false;
    for (const path of paths) {
      if (before.get(path) === after.get(path)) continue;
      const { status } = this.#after.look(path);
      if (status === undefined) continue;
      const known = this.#changes.get(path)?.aspects ?? [];
      this.#add(path, "changed", status, [...known, "xattrs"]);
    }
    return true;
  }

  changes(): Change[] {
    const changes = [...this.#changes.values()];
    // A directory before what is in it, as a slash sorts before all that names have.
    const key = ({ path }: Change) => path.replaceAll("/", "\0");
    return changes.sort((a, b) => (key(a) < key(b) ? -1 : 1));
  }
}

class Tree {
  readonly root: string;
  readonly #host: Host;
  readonly #directories = new Map<string, boolean>([["", true]]);

  constructor(host: Host, root: string) {
    this.#host = host;
    this.root = root;
  }

  at(path: string): Buffer {
    return Buffer.concat([
      Buffer.from(`${this.root}/`),
      Buffer.from(path, "latin1"),
    ]);
  }

  look(path: string): Place {
    const hasParent = path === "" || this.#isDirectory(parentOf(path));
    const status = hasParent
      ? this.#host.files.wholeStatusOf(this.at(path))
      : undefined;
    return { status, hasParent };
  }

  #isDirectory(path: string): boolean {
    const known = this.#directories.get(path);
    if (known !== undefined) return known;
    const isOne =
      this.#isDirectory(parentOf(path)) && this.#isOwnDirectory(path);
    this.#directories.set(path, isOne);
    return isOne;
  }

  #isOwnDirectory(path: string): boolean {
    const status = this.#host.files.wholeStatusOf(this.at(path));
    return status?.kind === "directory" && !isSubvolume(path, status);
  }

  namesIn(path: string): string[] {
    return this.#host.files.bytesOfNamesIn(this.at(path));
  }

  /** How many files are below a directory, but no directories, and their bytes. */
  measure(path: string): { files: number; bytes: number } {
    let [files, bytes] = [0, 0];
    const pending = [path];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      for (const name of this.namesIn(next)) {
        const file = `${next}/${name}`;
        const status = this.#host.files.wholeStatusOf(this.at(file));
        if (status?.kind === "directory") {
          if (!isSubvolume(file, status)) pending.push(file);
        } else {
          files += 1;
          bytes += status?.sizeBytes ?? 0;
        }
      }
    }
    return { files, bytes };
  }

  /** All paths of an inode. @throws HelperError */
  async namesOf(inode: bigint): Promise<string[]> {
    const command = ["btrfs", "inspect-internal", "inode-resolve"];
    const { stdout } = await this.#host.run([
      ...command,
      String(inode),
      this.root,
    ]);
    const start = Buffer.from(`${this.root}/`).toString("latin1");
    // A name may have a newline in it: such a one is not found there.
    return stdout
      .toString("latin1")
      .split("\n")
      .filter((line) => line.startsWith(start))
      .map((line) => line.slice(start.length));
  }
}

/** Whether nothing of a file can have changed: the one is a snapshot of the other. */
function isUntouched(before: WholeStatus, after: WholeStatus): boolean {
  return before.inode === after.inode && before.changedNs === after.changedNs;
}

/** What a snapshot has in the place of a nested subvolume has this inode number, and the subvolume itself another. */
const SUBVOLUMES: ReadonlySet<bigint | undefined> = new Set([2n, 256n]);

/** Whether a subvolume is nested there, which is not compared. */
function isSubvolume(path: string, status: WholeStatus | undefined): boolean {
  return (
    path !== "" && status?.kind === "directory" && SUBVOLUMES.has(status.inode)
  );
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf("/"), 0));
}
