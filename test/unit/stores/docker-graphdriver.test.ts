import fs from "fs-extra";
import path from "node:path";
import t from "tap";
import { leafOf } from "../../leaf-of.ts";
import { fails } from "../fails.ts";
import { copyStore, DOCKER, hexOf } from "./captured-stores.ts";

// What is particular to Docker's own store; contract.test.ts has the rest.

const NAMES = "image/btrfs/repositories.json";

t.test("the layers of an image, and one that is damaged", (t) => {
  const { find, layersOf, file, idOf } = copyStore(t, DOCKER);
  const [base] = layersOf("many:1");
  const layer = (name: string) =>
    file(`image/btrfs/layerdb/sha256/${hexOf(base?.chainId ?? "")}/${name}`);
  const size = fs.readFileSync(layer("size"), "utf8");
  t.equal(base?.sizeBytes, Number(size));
  fs.writeFileSync(layer("size"), "-1");
  fails(t, () => layersOf("many:1"), "STORE_DAMAGED", /"-1" is not a size/);
  fs.writeFileSync(layer("size"), size);
  fs.removeSync(layer("diff"));
  fails(t, () => layersOf("many:1"), "SOURCE_MISSING", /diff is absent/);
  t.equal(find("many:1").id, idOf("many:1"), "which a boot does not ask for");
  t.end();
});

t.test("a missing tag lists the tags there are, a name the nearest", (t) => {
  const { find } = copyStore(t, DOCKER);
  fails(t, () => find("many:2"), "IMAGE_MISSING", /many:1, many:dangling$/);
  fails(t, () => find("mone:1"), "IMAGE_MISSING", /names are: one:1, /);
  t.end();
});

t.test("names that somebody has put in other lines are found", (t) => {
  const store = copyStore(t, DOCKER);
  const file = store.file(NAMES);
  fs.writeJsonSync(file, fs.readJsonSync(file), { spaces: 2 });
  t.equal(store.find("many:1").id, store.idOf("many:1"));
  t.end();
});

t.test("a cache ID as BuildKit makes them is one", (t) => {
  const store = copyStore(t, DOCKER);
  const source = leafOf(store.find("many:1"));
  const place = store.file(path.relative("docker", source));
  const cacheId = store.file(DOCKER.listFiles(store)[3] ?? "");
  const id = "k3ab0x9c2m1t8z7q6w5e4r3u2";
  fs.renameSync(place, path.join(path.dirname(place), id));
  fs.writeFileSync(cacheId, id);
  t.equal(path.basename(leafOf(store.find("many:1"))), id);
  t.end();
});

t.test("a hostile cache ID or ID never becomes a path", (t) => {
  const store = copyStore(t, DOCKER);
  const right = path.basename(leafOf(store.find("many:1")));
  const cacheId = store.file(DOCKER.listFiles(store)[3] ?? "");
  for (const hostile of [
    "../../../etc",
    "/etc",
    "..",
    "",
    "a".repeat(63),
    "x\0y",
    "\u001b[31m",
    `${right}\n`,
    `${right.slice(1)}/`,
    right.toUpperCase(),
    `${right}-init`,
  ]) {
    fs.writeFileSync(cacheId, hostile);
    fails(t, () => store.find("many:1"), "STORE_DAMAGED", /is not a cache ID/);
  }
  const id = "sha256:../../../../etc/passwd";
  fs.writeJsonSync(store.file(NAMES), {
    Repositories: { many: { "many:1": id } },
  });
  fails(t, () => store.find("many:1"), "STORE_DAMAGED", /has no image ID/);
  t.end();
});

t.test("names of another form are damage", (t) => {
  const store = copyStore(t, DOCKER);
  for (const other of [
    5,
    [],
    {},
    { Repositories: [] },
    { Repositories: { many: null } },
    { Repositories: { many: ["many:1"] } },
    { Repositories: { many: `sha256:${"0".repeat(64)}` } },
  ]) {
    fs.writeJsonSync(store.file(NAMES), other);
    fails(t, () => store.find("many:1"), "STORE_DAMAGED", /repositories.json/);
  }
  t.end();
});

t.test("a layer with another diff ID than the image's is damage", (t) => {
  const store = copyStore(t, DOCKER);
  const diff = store.file(DOCKER.listFiles(store)[2] ?? "");
  fs.writeFileSync(diff, `sha256:${"0".repeat(64)}`);
  fails(t, () => store.find("many:1"), "STORE_DAMAGED", /diff: it says .*0000/);
  t.end();
});

t.test("what is absent is named", (t) => {
  const store = copyStore(t, DOCKER);
  const [names = "", config = "", , cacheId = ""] = DOCKER.listFiles(store);
  const find = () => store.find("many:1");
  fs.removeSync(store.file(path.dirname(cacheId)));
  fails(t, find, "SOURCE_MISSING", /the layers of the image .* is absent/);
  fs.removeSync(store.file(config));
  fails(t, find, "STORE_DAMAGED", /imagedb\/.* is absent/);
  fs.removeSync(store.file(names));
  fails(t, find, "STORE_DAMAGED", /repositories.json: it is absent/);
  t.end();
});
