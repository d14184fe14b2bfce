// runner: tier=first seconds=22
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync } from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import {
  startDockerEngine,
  type DockerEngine,
} from "../../../fixtures/docker-engine.ts";
import { idOf, makeImages } from "../../../fixtures/images.ts";
import { compareListings, listTree } from "../../../fixtures/tree-listing.ts";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";
import { parseImageReference } from "../../../runtime/images/image-ref.ts";
import { leafOf } from "../../leaf-of.ts";
import { openStore } from "../../../runtime/stores/open-store.ts";
import {
  askEngine,
  checkAnswers,
  digestOf,
  NOT_MADE,
  referencesToMade,
  type References,
} from "./engine-references.ts";
import { printTable } from "./engine-table.ts";
import { makeStoreDisk } from "../store-disk.ts";

/** What was found, in order. */
const listed: { store: string; text: string }[] = [];

const sum = { references: 0, wrong: 0 };

const disk = await makeStoreDisk(t, "store");
const { scratch, top } = disk;
const registry = await disk.startRegistry();
const first = await startEngine("docker");
const made = await makeImages(first, scratch);

t.test("what docker built, imported and committed is found", async (t) => {
  const many = await idOf(first, "many:1");
  const committed = await idOf(first, "committed");
  const hex = many.slice("sha256:".length);
  const layers = await first.docker([
    ...["inspect", "--format={{json .RootFS.Layers}}", "repeated:1"],
  ]);
  const [, a, b, ...again] = JSON.parse(layers) as string[];
  t.strictSame(again, [a, b], "the layers A, B come back in the same image");

  const { dangling } = made;
  await checkReferences(
    t,
    first,
    "docker",
    referencesToMade({ many, committed, dangling }),
  );
  t.equal(
    find("docker", hex.slice(0, 7)).id,
    committed,
    "the name wins over the ID that begins with it",
  );
});

t.test("the layers are those that docker says, with their sizes", async (t) => {
  for (const text of ["base:1", "repeated:1", "many:1", "committed"]) {
    const said = await first.docker([
      ...["inspect", "--format={{json .RootFS.Layers}} {{.Size}}", text],
    ]);
    const layers = open("docker").listLayers(find("docker", text));
    const bytes = layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const diffIds = layers.map(({ diffId }) => diffId);
    t.equal(`${JSON.stringify(diffIds)} ${String(bytes)}`, said, text);
    t.equal(
      layers.at(-1)?.cacheId,
      path.basename(leafOf(find("docker", text))),
      "the last one is the image's tree",
    );
  }
});

t.test("an ID's beginning that fits two images is refused", async (t) => {
  t.throws(() => find("docker", made.ambiguousPrefix), {
    code: "IMAGE_AMBIGUOUS",
    message: new RegExp(`^${made.ambiguousPrefix} is the beginning of 2 `),
  });
  await t.rejects(first.docker(["inspect", made.ambiguousPrefix]));
});

t.test("an image without layers is refused by each of its names", async (t) => {
  const id = await idOf(first, "empty:1");
  for (const text of ["empty:1", id, id.slice(7, 19)]) {
    t.throws(() => find("docker", text), { code: "IMAGE_EMPTY" }, text);
  }
});

t.test("what docker does not find is not found", async (t) => {
  for (const text of NOT_MADE) {
    await t.rejects(first.docker(["image", "inspect", text]), text);
    t.throws(() => find("docker", text), { code: "IMAGE_MISSING" }, text);
  }
});

t.test(
  "images that were pushed and pulled are found in both stores",
  async (t) => {
    const name = `${registry}/ns/many`;
    await first.docker(["tag", "many:1", `${name}:v1`]);
    await first.docker(["push", `${name}:v1`]);
    const other = `${registry}/other`;
    await first.docker(["tag", "repeated:1", other]);
    await first.docker(["push", other]);
    const digest = await digestOf(first, `${name}:v1`);
    const otherDigest = await digestOf(first, other);
    await checkReferences(t, first, "docker", {
      pushed: [
        `${name}:v1`,
        digest,
        `${name}:v1@${digest.split("@")[1] ?? ""}`,
      ],
    });

    const second = await startEngine("second");
    await second.docker(["pull", digest]);
    await second.docker(["pull", other]);
    const tar = path.join(scratch, "saved.tar");
    await first.docker(["save", "--output", tar, "committed", "base:1"]);
    await second.docker(["load", "--input", tar]);
    const id = await idOf(first, "many:1");
    await checkReferences(t, second, "second", {
      "pulled by digest": [digest, id, id.slice(7, 19)],
      "pulled by tag": [other, `${other}:latest`, otherDigest],
      "docker load": ["committed:latest", "base:1"],
    });
    t.throws(
      () => find("second", `${name}:v1`),
      { code: "IMAGE_MISSING" },
      "what was pulled by digest has no tag",
    );
    await second.stop();
  },
);

t.test("nothing changes when the engine stops", async (t) => {
  const version = await first.docker([
    ...["version", "--format", "{{.Server.Version}}"],
  ]);
  const before = listed.map(({ store, text }) => find(store, text));
  await first.stop();
  const store = path.join(top, "docker");
  const options = { contents: false, changeTimes: true };
  const untouched = listTree(store, options);
  t.strictSame(
    listed.map(({ store, text }) => find(store, text)),
    before,
  );
  t.strictSame(
    compareListings(listTree(store, options), untouched),
    [],
    "and finding touches no file of the store",
  );
  const engine = ["docker.io", version.replace(/\+.*/, "")] as const;
  printTable(t, [{ engine, store: "classic, btrfs", ...sum }]);
});

/** Each reference leads to what docker says, and to the tree that docker exports. */
async function checkReferences(
  t: Test,
  engine: DockerEngine,
  store: string,
  references: References,
): Promise<void> {
  const exports = mkdtempSync(path.join(scratch, "exports-"));
  const answers = await askEngine(engine, references, exports);
  const count = checkAnswers(t, answers, (text) => find(store, text), {
    scratch,
    top,
  });
  for (const text of answers.ids.keys()) listed.push({ store, text });
  sum.references += count.references;
  sum.wrong += count.wrong;
}

function find(store: string, text: string) {
  return open(store).find(parseImageReference(text));
}

function open(store: string) {
  const host = createHost("/", createLog([]));
  return openStore({ host, topLevel: top, path: store });
}

async function startEngine(store: string): Promise<DockerEngine> {
  const scratchDir = path.join(scratch, `engine-${store}`);
  mkdirSync(scratchDir);
  const dataRoot = path.join(top, store);
  execFileSync("btrfs", ["-q", "subvolume", "create", dataRoot]);
  const engine = await startDockerEngine({ dataRoot, scratchDir });
  t.teardown(engine.stop);
  return engine;
}
