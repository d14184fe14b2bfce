import path from "node:path";
import type { Test } from "tap";
import type { DockerEngine } from "../../../fixtures/docker-engine.ts";
import { idOf } from "../../../fixtures/images.ts";
import {
  compareListings,
  type TreeListing,
} from "../../../fixtures/tree-listing.ts";
import { BootError } from "../../../runtime/base/errors.ts";
import type { FoundImage } from "../../../runtime/stores/store.ts";
import {
  exportImage,
  withInitLayer,
  withoutInitLayerTimes,
} from "../container-tree.ts";
import type { StoreDisk } from "../store-disk.ts";
import { listFound } from "./list-found.ts";

/** References of one kind, for the table. */
export type References = Readonly<Record<string, readonly string[]>>;

/**
 * References to the images that `makeImages` makes, as docker takes them.
 * @param many the ID of `many:1`, and so on
 */
export function referencesToMade(ids: {
  readonly many: string;
  readonly committed: string;
  readonly dangling: readonly string[];
}): References {
  const { many, committed, dangling } = ids;
  const hex = many.slice("sha256:".length);
  return {
    "docker import": ["base:1"],
    "docker build": ["single:1", "many:1", "moving:1"],
    "repeated layers": ["repeated:1"],
    "docker commit": ["committed"],
    "tag latest by default": [
      ...["many", "many:latest", "me/many", "committed:latest"],
    ],
    "docker.io in full": [
      ...["docker.io/library/many:1", "library/many:1", "docker.io/many"],
      ...["index.docker.io/library/many:1", "docker.io/me/many:latest"],
    ],
    "other registries": [
      ...["localhost/many:1", "registry.example:5000/ns/many:v2"],
      ...["registry.example/many", "me/deep/er/many:v1.0_x-y"],
    ],
    "image ID": [many, hex, committed],
    "beginning of an ID": [
      ...[hex.slice(0, 12), hex.slice(0, 63), `sha256:${hex.slice(0, 12)}`],
      ...dangling.map((id) => id.slice("sha256:".length, 20)),
    ],
    "no name": dangling,
    "a name that an ID begins with": [hex.slice(0, 7)],
  };
}

const NONE = "0".repeat(64);

/** What docker does not find beside those. */
export const NOT_MADE: readonly string[] = [
  ...["nothing", "many:2", "other/many:1", "registry.example/many:1"],
  ...["registry.example:5001/ns/many:v2", "localhost/many"],
  ...[`many@sha256:${NONE}`, `sha256:${NONE}`, NONE.slice(0, 12)],
];

/** What an engine says of references. */
export interface Answers {
  readonly references: References;
  /** Reference to image ID. */
  readonly ids: ReadonlyMap<string, string>;
  /** Image ID to the tree of a new container. */
  readonly trees: ReadonlyMap<string, TreeListing>;
  /** How the engine exports an image's tree. */
  readonly asExported: (image: TreeListing) => TreeListing;
}

/** Asks an engine where each reference leads, and exports each of the images. */
export async function askEngine(
  engine: DockerEngine,
  references: References,
  scratch: string,
): Promise<Answers> {
  const asked = await askEach(references, scratch, {
    idOf: (text) => idOf(engine, text),
    exportTree: async (id, directory) =>
      withoutInitLayerTimes(await exportImage(engine, id, directory)),
  });
  return {
    ...asked,
    asExported: (image) => withoutInitLayerTimes(withInitLayer(image)),
  };
}

/** @param scratch a directory for what is exported */
export async function askEach(
  references: References,
  scratch: string,
  engine: {
    readonly idOf: (text: string) => Promise<string>;
    readonly exportTree: (
      id: string,
      directory: string,
    ) => Promise<TreeListing>;
  },
): Promise<Omit<Answers, "asExported">> {
  const ids = new Map<string, string>();
  const trees = new Map<string, TreeListing>();
  for (const text of Object.values(references).flat()) {
    const id = await engine.idOf(text);
    ids.set(text, id);
    if (trees.has(id)) continue;
    const directory = path.join(scratch, `export-${id.slice(7, 19)}`);
    trees.set(id, await engine.exportTree(id, directory));
  }
  return { references, ids, trees };
}

/**
 * Each reference leads to what the engine says, and to the tree that it exports.
 * @param find throws what is found wrong
 */
export function checkAnswers(
  t: Test,
  { references, ids, trees, asExported }: Answers,
  find: (text: string) => FoundImage,
  { scratch, top }: Pick<StoreDisk, "scratch" | "top">,
): { references: number; wrong: number } {
  /** What is wrong with an image's source. */
  const compared = new Map<string, readonly string[]>();
  const compare = (id: string, found: FoundImage): readonly string[] => {
    const listed = listFound(scratch, top, found, { mtimes: "seconds" });
    return compareListings(trees.get(id) ?? {}, asExported(listed));
  };
  const check = (text: string): readonly string[] => {
    const id = ids.get(text) ?? "";
    let found;
    try {
      found = find(text);
    } catch (error) {
      if (!(error instanceof BootError)) throw error;
      return [`${error.code} ${error.message}`];
    }
    if (found.id !== id) return [`is ${found.id}, the engine says ${id}`];
    const problems = compared.get(id) ?? compare(id, found);
    compared.set(id, problems);
    return problems;
  };

  let wrong = 0;
  for (const [kind, texts] of Object.entries(references)) {
    for (const text of texts) {
      const problems = check(text);
      if (problems.length > 0) wrong += 1;
      t.strictSame(problems, [], `${kind}: ${text}`);
    }
    t.comment(`${kind.padEnd(30)} ${String(texts.length).padStart(2)}`);
  }
  return { references: Object.values(references).flat().length, wrong };
}

/** `name@sha256:...`, which docker knows after a push or a pull. */
export async function digestOf(
  { docker }: DockerEngine,
  name: string,
): Promise<string> {
  const repository = /^(.*?)(?::[^/:]*)?$/.exec(name)?.[1] ?? "";
  const text = await docker([
    ...["inspect", "--format={{json .RepoDigests}}", name],
  ]);
  const digest = (JSON.parse(text) as string[]).find((other) =>
    other.startsWith(`${repository}@`),
  );
  if (digest === undefined) throw new Error(`${name} has no digest: ${text}`);
  return digest;
}
