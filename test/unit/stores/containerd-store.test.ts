import fs from "fs-extra";
import path from "node:path";
import t, { type Test } from "tap";
import { BootError } from "../../../runtime/base/errors.ts";
import { parseImageReference } from "../../../runtime/images/image-ref.ts";
import { openStore } from "../../../runtime/stores/open-store.ts";
import { fails } from "../fails.ts";
import { hostWithSubvolumes } from "../disk/host-with-subvolumes.ts";

const CAPTURED = path.join(
  import.meta.dirname,
  "../../../fixtures/captured/docker-28.5.2-containerd-btrfs",
);
const META = "io.containerd.metadata.v1.bolt/meta.db";
const SNAPSHOTTER = "io.containerd.snapshotter.v1.btrfs";
const BLOBS = "io.containerd.content.v1.content/blobs/sha256";

interface Image {
  readonly id: string;
  readonly tags: readonly string[];
  readonly digests: readonly string[];
  readonly layers: readonly string[];
}

/** A captured store, on the machine whose images were captured. */
function copyStore(t: Test, captured = CAPTURED, architecture = "x64") {
  const directory = t.testdir();
  const file = (name: string) => path.join(directory, "containerd", name);
  const images = fs.readJsonSync(path.join(captured, "images.json")) as Image[];
  const snapshots = fs.readJsonSync(
    path.join(captured, "snapshots.json"),
  ) as string[];
  fs.copySync(path.join(captured, "containerd"), file(""));
  for (const name of snapshots) {
    fs.mkdirpSync(file(`${SNAPSHOTTER}/snapshots/${name}`));
  }
  const host = hostWithSubvolumes(`${SNAPSHOTTER}/snapshots`, architecture);
  const store = () =>
    openStore({ host, topLevel: directory, path: "containerd" });
  return {
    ...{ images, snapshots, file },
    idOf: (tag: string) =>
      images.find(({ tags }) => tags.includes(tag))?.id ?? "",
    find: (text: string) => store().find(parseImageReference(text)),
    layersOf: (text: string) =>
      store().listLayers(store().find(parseImageReference(text))),
  };
}

for (const [what, captured] of [
  ["images of each kind", CAPTURED],
  ["so many names that the database has pages of pages", `${CAPTURED}/many`],
] as const) {
  t.test(`what docker says of its names and IDs: ${what}`, async (t) => {
    const { find, layersOf, images, snapshots } = copyStore(t, captured);
    const sources = new Set<string>();
    for (const { id, tags, digests, layers } of images) {
      if (layers.length === 0) continue;
      const hex = id.slice("sha256:".length);
      const begins = [hex.slice(0, 12), `sha256:${hex.slice(0, 12)}`];
      for (const text of [...tags, ...digests, id, hex, ...begins]) {
        const found = find(text);
        t.equal(found.id, id, text);
        t.strictSame(found.diffIds, layers, text);
        t.ok(snapshots.includes(path.basename(found.source)), text);
        sources.add(found.source);
      }
      const stored = layersOf(id);
      t.strictSame(
        stored.map(({ diffId }) => diffId),
        layers,
      );
      t.equal(stored.at(-1)?.cacheId, path.basename(find(id).source));
    }
    t.ok(sources.size > 0);
  });
}

t.test("an image without layers is not taken for a system", async (t) => {
  const { find } = copyStore(t);
  fails(t, () => find("empty:1"), "IMAGE_EMPTY", /no layers/);
});

t.test("the digest of a configuration is no ID here", async (t) => {
  const { find } = copyStore(t);
  const { configId } = find("one:1");
  fails(t, () => find(configId), "IMAGE_MISSING", /no image there has this ID/);
});

t.test("a missing tag lists the tags there are", async (t) => {
  const { find } = copyStore(t);
  fails(t, () => find("many:2"), "IMAGE_MISSING", /many:1, many:dangling$/);
});

t.test("an image of another machine says which one it is for", async (t) => {
  const { find, images } = copyStore(t, CAPTURED, "arm64");
  const names = images.flatMap(({ tags }) => tags);
  const name = names.find((tag) => tag.endsWith("/two-platforms:1")) ?? "";
  fails(
    t,
    () => find(name),
    "IMAGE_MISSING",
    /none in the store for linux\/arm64, this machine; there is one for linux\/amd64$/,
  );
});

t.test("a tree that is gone says so", async (t) => {
  const { find, file } = copyStore(t);
  const { source } = find("many:1");
  fs.rmdirSync(file(path.relative("containerd", source)));
  fails(t, () => find("many:1"), "SOURCE_MISSING", /there is no subvolume/);
  fs.rmSync(file(`${SNAPSHOTTER}/metadata.db`));
  fails(t, () => find("many:1"), "SOURCE_MISSING", /metadata.db is absent/);
});

t.test("another content than the digest says is never believed", async (t) => {
  const { find, file } = copyStore(t);
  const { id, configId } = find("many:1");
  for (const digest of [id, configId]) {
    const blob = file(`${BLOBS}/${digest.slice("sha256:".length)}`);
    const whole = fs.readFileSync(blob);
    fs.writeFileSync(blob, `${whole.toString("utf8")} `);
    fails(t, () => find("many:1"), "STORE_DAMAGED", /another sha256/);
    fs.rmSync(blob);
    t.throws(() => find("many:1"), { name: "BootError" }, "absent");
    fs.writeFileSync(blob, whole);
  }
  t.equal(find("many:1").id, id);
});

t.test("a database cut off anywhere is never a wrong answer", async (t) => {
  const { find, file } = copyStore(t);
  const expected = find("many:1");
  const STEP = 1021;
  for (const name of [META, `${SNAPSHOTTER}/metadata.db`]) {
    const whole = fs.readFileSync(file(name));
    for (let length = 0; length < whole.length; length += STEP) {
      fs.writeFileSync(file(name), whole.subarray(0, length));
      try {
        // What is cut off may be what was never used.
        const found = find("many:1");
        if (found.source !== expected.source || found.id !== expected.id) {
          t.fail(`${name} cut off at ${String(length)} was believed`);
        }
      } catch (error) {
        if (!(error instanceof BootError)) throw error;
        t.match(error.code, /^STORE_(?:DAMAGED|MISSING)$/, String(length));
      }
    }
    fs.writeFileSync(file(name), whole);
  }
  t.strictSame(find("many:1"), expected);
});
