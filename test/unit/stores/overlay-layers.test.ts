import fs from "fs-extra";
import path from "node:path";
import t, { type Test } from "tap";
import { startDatabase, type Part } from "../../../fixtures/bolt-writer.ts";
import {
  encodeUvarint,
  readSnapshotLayers,
} from "../../../runtime/stores/containerd/snapshotter.ts";
import { StoreFiles } from "../../../runtime/stores/store-files.ts";
import type { FoundImage } from "../../../runtime/stores/store.ts";
import { requireLayers } from "../../../runtime/stores/stored-tree.ts";
import { leafOf } from "../../leaf-of.ts";
import { hostWithSubvolumes } from "../disk/host-with-subvolumes.ts";
import { fails } from "../fails.ts";
import {
  copyStore,
  DOCKER_OVERLAY,
  OVERLAY_STORES,
  PODMAN_OVERLAY,
} from "./captured-stores.ts";

// Images that are layers; contract.test.ts has what holds for each store.

const ID = `sha256:${"1".repeat(64)}` as const;

const MAX_LAYERS = 450;

/** A name of a link of overlay2. */
const linkName = (index: number) => `L${String(index).padStart(25, "0")}`;

const cacheId = (index: number) => index.toString(16).padStart(64, "0");

function layersOf({ tree }: FoundImage) {
  return tree.kind === "layers" ? tree.layers : [];
}

for (const captured of OVERLAY_STORES) {
  t.test(`${captured.captured}: each layer has a name of its own`, (t) => {
    const { find, images } = copyStore(t, captured);
    const keys = new Map<string, string>();
    for (const { id, layers } of images) {
      if (layers === 0 || (layers as readonly string[]).length === 0) continue;
      for (const { directory, key } of layersOf(find(id))) {
        t.match(key, /^[A-Za-z0-9][A-Za-z0-9-]{0,127}$/);
        t.equal(keys.get(directory) ?? key, key, "in each image the same");
        keys.set(directory, key);
      }
    }
    t.equal(new Set(keys.values()).size, keys.size, "each another");
    t.end();
  });

  t.test(`${captured.captured}: no snapshots can be taken of layers`, (t) => {
    const { findRoot } = copyStore(t, captured);
    const why = /are not btrfs subvolumes but directories, made by .*overlay/;
    fails(t, () => findRoot("many:1"), "STORE_UNSUPPORTED", why);
    const hint = /load --input|docker rm \$\(docker create/;
    t.throws(() => findRoot("many:1"), { name: "BootError", hint });
    fails(t, () => findRoot("gone:1"), "STORE_UNSUPPORTED", why, /gone:1/);
    t.end();
  });

  t.test(`${captured.captured}: a link in a layer's place is refused`, (t) => {
    const { find, file } = copyStore(t, captured);
    for (const { directory } of layersOf(find("many:1"))) {
      const name = file(path.relative(captured.engine, directory));
      for (const place of [name, path.dirname(name)]) {
        fs.moveSync(place, `${place}.kept`);
        fs.symlinkSync(path.basename(`${place}.kept`), place);
        fails(t, () => find("many:1"), "SOURCE_MISSING", /is no directory/);
        fs.removeSync(place);
        fs.moveSync(`${place}.kept`, place);
      }
    }
    t.ok(find("many:1"));
    t.end();
  });
}

/** Docker's store, and the file `lower` of many:1. */
function copyDocker(t: Test) {
  const store = copyStore(t, DOCKER_OVERLAY);
  const leaf = path.basename(path.dirname(leafOf(store.find("many:1"))));
  const lower = store.file(`overlay2/${leaf}/lower`);
  const links = fs.readFileSync(lower, "utf8").split(":");
  return { ...store, leaf, lower, links };
}

/** Adds layers of which each has those after it below it. @returns their links, the topmost first */
function addLayers(
  { file }: Pick<ReturnType<typeof copyDocker>, "file">,
  count: number,
): string[] {
  return Array.from({ length: count }, (_, index) => {
    fs.mkdirpSync(file(`overlay2/${cacheId(index)}/diff`));
    const link = `l/${linkName(index)}`;
    fs.symlinkSync(`../${cacheId(index)}/diff`, file(`overlay2/${link}`));
    return link;
  });
}

t.test("overlay2's list of layers is one, or it is damage", (t) => {
  const { find, lower, links, leaf, idOf } = copyDocker(t);
  const [first = "", second = "", base = ""] = links;
  const other = `l/${"A".repeat(26)}`;
  const lists: Readonly<Record<string, string>> = {
    "a line's end": `${links.join(":")}\n`,
    nothing: "",
    "no link": ":",
    "an end that is open": `${first}:`,
    "an absolute path": `/etc:${base}`,
    "a way out": `l/../../../../etc:${base}`,
    "another directory": `${leaf}/diff:${base}`,
    "a short name": `${first}:l/A`,
    "small letters": `${first}:l/${"a".repeat(26)}`,
    "a layer twice": `${first}:${second}:${first}`,
    "a link without its base": `${first}:${second}`,
    "too few": base,
    bytes: "\u0000".repeat(100),
    "more than is read": Array.from({ length: 5000 }, () => other).join(":"),
  };
  for (const [what, text] of Object.entries(lists)) {
    fs.writeFileSync(lower, text);
    fails(t, () => find("many:1"), "STORE_DAMAGED", /\/lower/);
    t.ok(find("one:1").id === idOf("one:1"), what);
  }
  fs.writeFileSync(lower, `${first}:${other}:${base}`);
  fails(t, () => find("many:1"), "SOURCE_MISSING", /l\/A+ is absent/);
  t.end();
});

t.test("overlay2's links lead to layers, or it is damage", (t) => {
  const { find, links, file, leaf } = copyDocker(t);
  const whole = layersOf(find("many:1"));
  const [first = ""] = links;
  const link = file(`overlay2/${first}`);
  const right = fs.readlinkSync(link);
  const target = right.split("/")[1] ?? "";
  for (const text of [
    ...["/etc", "/", "..", ".", "../..", "../../image", "../../../other"],
    ...[file(`overlay2/${target}/diff`), `../${target}`, `./${right}`],
    ...[`../${target}/diff/..`, `../${target}/diff/`, `../${target}/work`],
    ...[`../../overlay2/${target}/diff`, `../l/${path.basename(first)}`],
    ...[path.basename(first), `../${target}-init-init/diff`],
  ]) {
    fs.removeSync(link);
    fs.symlinkSync(text, link);
    fails(t, () => find("many:1"), "STORE_DAMAGED", /is not a layer/);
  }
  for (const [text, pattern] of [
    [`../${leaf}/diff`, /one of its layers twice/],
    [`../${"0".repeat(64)}/diff`, /but there is no directory/],
  ] as const) {
    fs.removeSync(link);
    fs.symlinkSync(text, link);
    t.throws(() => find("many:1"), { message: pattern });
  }
  fs.removeSync(link);
  fs.moveSync(file(`overlay2/${target}/diff`), link);
  fails(t, () => find("many:1"), "STORE_DAMAGED", /not a symlink/);
  fs.moveSync(link, file(`overlay2/${target}/diff`));
  fs.symlinkSync(right, link);
  t.strictSame(layersOf(find("many:1")), whole);
  t.end();
});

t.test("a layer that was made for a container may be below", (t) => {
  const { find, lower, links, file } = copyDocker(t);
  const init = `${"a".repeat(64)}-init`;
  fs.mkdirpSync(file(`overlay2/${init}/diff`));
  fs.symlinkSync(`../${init}/diff`, file(`overlay2/l/${linkName(0)}`));
  const [first = "", ...rest] = links;
  fs.writeFileSync(lower, [`l/${linkName(0)}`, first, ...rest].join(":"));
  t.strictSame(
    layersOf(find("many:1")).map(({ key }) => key)[1],
    init,
    "it is one of the lowers",
  );
  t.end();
});

t.test("as many layers as a root can have, and one more", (t) => {
  const store = copyDocker(t);
  const links = addLayers(store, MAX_LAYERS);
  fs.writeFileSync(store.lower, links.slice(1).join(":"));
  t.equal(layersOf(store.find("many:1")).length, MAX_LAYERS);
  fs.writeFileSync(store.lower, links.join(":"));
  fails(
    t,
    () => store.find("many:1"),
    "STORE_UNSUPPORTED",
    /has more than 450 layers/,
  );
  t.end();
});

t.test("podman's layers need a time, and files with names", (t) => {
  const { find, file } = copyStore(t, PODMAN_OVERLAY);
  const list = file("overlay-layers/layers.json");
  const whole = fs.readFileSync(list, "utf8");
  for (const created of [undefined, 5, "", "../../etc", "x".repeat(100)]) {
    const layers = JSON.parse(whole) as Record<string, unknown>[];
    for (const layer of layers) layer["created"] = created;
    fs.writeJsonSync(list, layers);
    fails(t, () => find("many:1"), "STORE_DAMAGED", /has no time/);
  }
  fs.writeFileSync(list, whole);
  const leaf = path.dirname(leafOf(find("many:1"), "podman"));
  fs.mkdirSync(file(`${leaf}/composefs-data`));
  fails(t, () => find("many:1"), "STORE_UNSUPPORTED", /of composefs/);
  t.end();
});

t.test("a layer that podman has anew has another name", (t) => {
  const { find, file } = copyStore(t, PODMAN_OVERLAY);
  const list = file("overlay-layers/layers.json");
  const [before] = layersOf(find("many:1"));
  const layers = fs.readJsonSync(list) as Record<string, unknown>[];
  for (const layer of layers) layer["created"] = "2027-01-01T00:00:00.5Z";
  fs.writeJsonSync(list, layers);
  const [after] = layersOf(find("many:1"));
  t.equal(after?.directory, before?.directory);
  t.not(after?.key, before?.key);
  t.end();
});

/** A snapshot of containerd's overlayfs snapshotter. */
interface MadeSnapshot {
  readonly name: string;
  readonly id: number;
  readonly parent?: number;
  readonly created?: Buffer;
}

/** A containerd's directory whose snapshotter has these snapshots. */
function storeOf(t: Test, snapshots: readonly MadeSnapshot[]): StoreFiles {
  const topLevel = t.testdir();
  const byKey = (a: { key: string | Buffer }, b: { key: string | Buffer }) =>
    Buffer.compare(Buffer.from(a.key), Buffer.from(b.key));
  const nameOf = (id: number) =>
    snapshots.find((snapshot) => snapshot.id === id)?.name ?? "";
  const database = startDatabase();
  const parents = snapshots.flatMap(({ name, id, parent }): Part[] => {
    if (parent === undefined) return [];
    const [above, own] = [parent, id].map((each) => {
      return encodeUvarint(BigInt(each)).toString("latin1");
    });
    return [{ key: `${above ?? ""}\0${own ?? ""}`, value: name }];
  });
  const all = snapshots.map(({ name, id, parent, created }): Part => {
    const inline: Part[] = [
      { key: "createdat", value: created ?? Buffer.alloc(15, id % 256) },
      { key: "id", value: encodeUvarint(BigInt(id)) },
      { key: "kind", value: Buffer.of(3) },
      ...(parent === undefined
        ? []
        : [{ key: "parent", value: nameOf(parent) }]),
    ];
    return { key: name, inline };
  });
  const v1 = database.add([
    { key: "parents", root: database.add(parents.toSorted(byKey)) },
    { key: "snapshots", root: database.add(all.toSorted(byKey)) },
  ]);
  const directory = path.join(
    topLevel,
    "containerd/io.containerd.snapshotter.v1.overlayfs",
  );
  fs.outputFileSync(
    path.join(directory, "metadata.db"),
    database.finish(database.add([{ key: "v1", root: v1 }])),
  );
  for (const { id } of snapshots) {
    fs.mkdirpSync(path.join(directory, "snapshots", String(id), "fs"));
  }
  const host = hostWithSubvolumes(undefined);
  return new StoreFiles({ host, topLevel, path: "containerd" });
}

/** As many as there are, each on the one before it. */
const stack = (count: number): MadeSnapshot[] =>
  Array.from({ length: count }, (_, index) => ({
    name: `moby/${String(index + 1)}/sha256:x`,
    id: index + 1,
    ...(index > 0 && { parent: index }),
  }));

const lookUp = (store: StoreFiles, leaf: number) => {
  const name = `moby/${String(leaf)}/sha256:x`;
  const directory = "io.containerd.snapshotter.v1.overlayfs";
  const list = store.file(`${directory}/metadata.db`);
  const layers = readSnapshotLayers(store, name);
  return requireLayers(list, ID, `${directory}/snapshots`, layers).layers;
};

t.test("containerd's snapshots are followed to the base", (t) => {
  // IDs of one byte: keys are texts here.
  const layers = lookUp(storeOf(t, stack(100)), 100);
  t.equal(layers.length, 100);
  t.match(layers[0]?.directory, /snapshots\/100\/fs$/);
  t.match(layers.at(-1)?.directory, /snapshots\/1\/fs$/);
  t.match(layers[0]?.key, /^100-(?:64){15}$/);
  t.end();
});

t.test("containerd's snapshots in a ring are damage", (t) => {
  const [first, ...rest] = stack(3);
  const ring = storeOf(t, [{ ...first, parent: 3 } as MadeSnapshot, ...rest]);
  fails(t, () => lookUp(ring, 3), "STORE_DAMAGED", /one of its layers twice/);
  t.end();
});

t.test("a containerd's snapshot without a time is damage", (t) => {
  const [first, ...rest] = stack(3);
  const created = Buffer.from("../../../etc");
  const store = storeOf(t, [{ ...first, created } as MadeSnapshot, ...rest]);
  fails(t, () => lookUp(store, 3), "STORE_DAMAGED", /has no valid time/);
  t.end();
});

t.test("no root is made of a user namespace's layers", (t) => {
  const store = storeOf(t, stack(2));
  const { host } = store;
  const statusOf: typeof host.files.statusOf = (file) => {
    const status = host.files.statusOf(file);
    return status && { ...status, uid: 1000 };
  };
  const shifted = new StoreFiles({
    ...store,
    host: { ...host, files: { ...host.files, statusOf } },
  });
  const why = /root's files belong to the user 1000/;
  fails(t, () => lookUp(shifted, 2), "STORE_UNSUPPORTED", why);
  t.end();
});
