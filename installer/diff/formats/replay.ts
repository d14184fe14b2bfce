import {
  MAX_PATH_BYTES,
  StreamError,
  type ChangedPart,
  type SendCommand,
} from "./send-stream.ts";

/** A place at which two trees may differ. */
export interface Candidate {
  /** Relative to the trees, with one byte a character (latin1); `""` is the tree itself. */
  readonly path: string;
  /**
   * Whether one inode is there in both: then nothing but its named parts can differ, and of a directory not what
   * is in it. Otherwise all may differ, below a directory, too.
   */
  readonly parts: ReadonlySet<ChangedPart> | "all";
}

/** Where something was before. */
interface Origin {
  /** `undefined` of the tree itself. */
  readonly parent: Node | undefined;
  readonly name: string;
  /** Of its path, with a slash before each name. */
  readonly pathBytes: number;
}

/** Something that has a name, at the point to which the stream has been read. */
interface Node {
  /** `undefined` of what is new. */
  readonly origin: Origin | undefined;
  /** By their names, those that the stream has named; `undefined` where it has taken one away. */
  children?: Map<string, Node | undefined>;
  parts?: Set<ChangedPart>;
}

/** One that is reached from the tree itself. */
interface Reached {
  readonly node: Node;
  readonly path: string;
  /** Whether it is where it was. */
  readonly hasStayed: boolean;
}

/**
 * Follows the commands of a send stream, and tells where the tree that they make may differ from the one that they
 * begin with. A name in the stream is what it is at that point: directories move, and names are taken away and
 * given again, so what was named is followed through all that.
 */
export class Replay {
  readonly #root: Node = {
    origin: { parent: undefined, name: "", pathBytes: 0 },
  };
  /** What was taken from where it was. */
  readonly #taken = new Set<Node>();

  /** @throws StreamError where it cannot be: something is named that is not there */
  apply(command: SendCommand): void {
    const { kind, path } = command;
    switch (kind) {
      case "make":
      case "link":
        this.#put(path, { origin: undefined });
        return;
      case "remove":
        this.#takeAway(path);
        return;
      case "move": {
        const node = this.#takeAway(path);
        this.#put(command.to, node);
        return;
      }
      case "change":
        addPart(this.#find(path), command.part);
        return;
      default:
        kind satisfies never;
    }
  }

  /** After the last command: each place once. @throws StreamError where one is deeper than a path can tell */
  candidates(): Candidate[] {
    const found = new Map<string, Candidate>();
    const taken = new Set(this.#taken);
    const pending: Reached[] = [
      { node: this.#root, path: "", hasStayed: true },
    ];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const { node, path, hasStayed } = next;
      // It has come back.
      if (hasStayed) taken.delete(node);
      if (!hasStayed) found.set(path, { path, parts: "all" });
      else if (node.parts) found.set(path, { path, parts: node.parts });
      for (const child of reachChildren(next)) pending.push(child);
    }
    for (const { origin } of taken) {
      const path = pathOf(origin);
      found.set(path, { path, parts: "all" });
    }
    return [...found.values()];
  }

  #find(path: string): Node {
    let node = this.#root;
    if (path === "") return node;
    for (const name of path.split("/")) node = childOf(node, name, path);
    return node;
  }

  #takeAway(path: string): Node {
    const { parent, name } = this.#place(path);
    const node = childOf(parent, name, path);
    setChild(parent, name, undefined);
    if (node.origin !== undefined) this.#taken.add(node);
    return node;
  }

  #put(path: string, node: Node): void {
    const { parent, name } = this.#place(path);
    if (parent.children?.get(name) !== undefined) {
      throw new StreamError(`it makes ${path}, which is there`);
    }
    setChild(parent, name, node);
  }

  #place(path: string): { parent: Node; name: string } {
    const at = path.lastIndexOf("/");
    return {
      parent: this.#find(path.slice(0, Math.max(at, 0))),
      name: path.slice(at + 1),
    };
  }
}

function* reachChildren({
  node,
  path,
  hasStayed,
}: Reached): Generator<Reached> {
  for (const [name, child] of node.children ?? []) {
    if (child === undefined) continue;
    const isSame =
      hasStayed && child.origin?.parent === node && child.origin.name === name;
    const own = path === "" ? name : `${path}/${name}`;
    requireShort(own.length);
    yield { node: child, path: own, hasStayed: isSame };
  }
}

function childOf(node: Node, name: string, path: string): Node {
  const known = node.children?.get(name);
  if (known !== undefined) return known;
  if (node.children?.has(name) || node.origin === undefined) {
    throw new StreamError(`it names ${path}, which is not there`);
  }
  const pathBytes = node.origin.pathBytes + 1 + name.length;
  requireShort(pathBytes);
  const child: Node = { origin: { parent: node, name, pathBytes } };
  setChild(node, name, child);
  return child;
}

function setChild(parent: Node, name: string, child: Node | undefined): void {
  parent.children ??= new Map();
  parent.children.set(name, child);
}

function addPart(node: Node, part: ChangedPart): void {
  node.parts ??= new Set();
  node.parts.add(part);
}

/** Paths are of a bounded length, so that what they take is in proportion to the stream. @throws StreamError */
function requireShort(pathBytes: number): void {
  if (pathBytes <= MAX_PATH_BYTES) return;
  throw new StreamError(`a path has ${String(pathBytes)} bytes`);
}

function pathOf(origin: Origin | undefined): string {
  const names: string[] = [];
  let at = origin;
  while (at?.parent !== undefined) {
    names.push(at.name);
    at = at.parent.origin;
  }
  return names.reverse().join("/");
}
