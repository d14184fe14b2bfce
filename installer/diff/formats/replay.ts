import {
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

/** Something that has a name, at the point to which the stream has been read. */
interface Node {
  /** Where it was before; `undefined` of what is new. */
  readonly origin: string | undefined;
  /** By their names, those that the stream has named; `undefined` where it has taken one away. */
  readonly children: Map<string, Node | undefined>;
  readonly parts: Set<ChangedPart>;
}

/**
 * Follows the commands of a send stream, and tells where the tree that they make may differ from the one that they
 * begin with. A name in the stream is what it is at that point: directories move, and names are taken away and
 * given again, so what was named is followed through all that.
 */
export class Replay {
  readonly #root = createNode("");
  /** Where something was that is there no longer. */
  readonly #left = new Set<string>();

  /** @throws StreamError where it cannot be: something is named that is not there */
  apply(command: SendCommand): void {
    const { kind, path } = command;
    switch (kind) {
      case "make":
      case "link":
        this.#put(path, createNode(undefined));
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
        this.#find(path).parts.add(command.part);
        return;
      default:
        kind satisfies never;
    }
  }

  /** After the last command: each place once. */
  candidates(): Candidate[] {
    const found = new Map<string, Candidate>();
    for (const path of this.#left) found.set(path, { path, parts: "all" });
    const pending: [string, Node][] = [["", this.#root]];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const [path, { origin, children, parts }] = next;
      if (origin !== path) found.set(path, { path, parts: "all" });
      else if (parts.size > 0) found.set(path, { path, parts });
      // It has come back.
      else found.delete(path);
      for (const [name, child] of children) {
        if (child !== undefined) pending.push([join(path, name), child]);
      }
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
    parent.children.set(name, undefined);
    if (node.origin !== undefined) this.#left.add(node.origin);
    return node;
  }

  #put(path: string, node: Node): void {
    const { parent, name } = this.#place(path);
    if (parent.children.get(name) !== undefined) {
      throw new StreamError(`it makes ${path}, which is there`);
    }
    parent.children.set(name, node);
  }

  #place(path: string): { parent: Node; name: string } {
    const at = path.lastIndexOf("/");
    return {
      parent: this.#find(path.slice(0, Math.max(at, 0))),
      name: path.slice(at + 1),
    };
  }
}

function childOf(node: Node, name: string, path: string): Node {
  const known = node.children.get(name);
  if (known !== undefined) return known;
  if (node.children.has(name) || node.origin === undefined) {
    throw new StreamError(`it names ${path}, which is not there`);
  }
  const child = createNode(join(node.origin, name));
  node.children.set(name, child);
  return child;
}

function createNode(origin: string | undefined): Node {
  return { origin, children: new Map(), parts: new Set() };
}

function join(directory: string, name: string): string {
  return directory === "" ? name : `${directory}/${name}`;
}
