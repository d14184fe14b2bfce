import fs from "fs-extra";
import { execFileSync } from "node:child_process";
import path from "node:path";
import t, { type Test } from "tap";
import { BootError, type ErrorCode } from "../../../runtime/base/errors.ts";
import { parseImageReference } from "../../../runtime/images/image-ref.ts";
import { openStore } from "../../../runtime/stores/open-store.ts";
import { storeUnsupported } from "../../../runtime/stores/formats/store-unsupported.ts";
import { fails } from "../fails.ts";
import { hostWithSubvolumes } from "../disk/host-with-subvolumes.ts";
import { refusesLinksOut } from "./refuses-links-out.ts";

const CAPTURED = path.join(
  import.meta.dirname,
  "../../../fixtures/captured/docker-20.10.24-btrfs",
);
const images = fs.readJsonSync(path.join(CAPTURED, "images.json")) as {
  id: string;
  tags: string[];
  layers: number;
}[];
const subvolumes = fs.readJsonSync(
  path.join(CAPTURED, "subvolumes.json"),
) as string[];
const idOf = (tag: string) =>
  images.find(({ tags }) => tags.includes(tag))?.id ?? "";

function storeIn(directory: string) {
  const host = hostWithSubvolumes("docker/btrfs/subvolumes");
  const location = { host, topLevel: directory, path: "docker" };
  return {
    find: (text: string) => openStore(location).find(parseImageReference(text)),
    layersOf: (text: string) => {
      const store = openStore(location);
      return store.listLayers(store.find(parseImageReference(text)));
    },
    file: (name: string) => path.join(directory, "docker", name),
  };
}

function copyStore(t: Test) {
  const directory = t.testdir();
  fs.copySync(
    path.join(CAPTURED, "image"),
    path.join(directory, "docker/image"),
  );
  for (const name of subvolumes) {
    fs.mkdirpSync(path.join(directory, "docker/btrfs/subvolumes", name));
  }
  const store = storeIn(directory);
  // As Docker writes it: what was captured has got white space since.
  const names = store.file("image/btrfs/repositories.json");
  fs.writeFileSync(names, JSON.stringify(fs.readJsonSync(names)));
  return store;
}

t.test(
  "every tag, ID and unique beginning of an ID leads to what docker says",
  async (t) => {
    const { find } = copyStore(t);
    for (const { id, tags, layers } of images.filter(
      ({ layers }) => layers > 0,
    )) {
      const hex = id.slice("sha256:".length);
      for (const text of [
        ...tags,
        id,
        hex,
        hex.slice(0, 12),
        `sha256:${hex.slice(0, 12)}`,
      ]) {
        const found = find(text);
        t.equal(found.id, id, text);
        t.equal(found.diffIds.length, layers, text);
        t.ok(subvolumes.includes(path.basename(found.source)), text);
      }
    }
    t.equal(find("docker.io/me/one").id, idOf("one:1"));
  },
);

t.test("the layers of an image, and one that is damaged", async (t) => {
  const { find, layersOf, file } = copyStore(t);
  const layers = layersOf("many:1");
  const [base, top] = [layers.at(0), layers.at(-1)];
  t.equal(base?.chainId, base?.diffId);
  t.equal(top?.cacheId, path.basename(find("many:1").source));
  t.ok(layers.every(({ cacheId }) => subvolumes.includes(cacheId)));
  const layer = (name: string) =>
    file(`image/btrfs/layerdb/sha256/${base?.chainId.slice(7) ?? ""}/${name}`);
  const size = fs.readFileSync(layer("size"), "utf8");
  t.equal(base?.sizeBytes, Number(size));
  fs.writeFileSync(layer("size"), "-1");
  fails(t, () => layersOf("many:1"), "STORE_DAMAGED", /"-1" is no size/);
  fs.writeFileSync(layer("size"), size);
  fs.removeSync(layer("diff"));
  fails(t, () => layersOf("many:1"), "SOURCE_MISSING", /diff is absent/);
  t.equal(find("many:1").id, idOf("many:1"), "which a boot does not ask for");
});

t.test("an image without layers is not taken for a system", async (t) => {
  const { find } = copyStore(t);
  fails(t, () => find("empty:1"), "IMAGE_EMPTY", /no layers/);
});

t.test(
  "a missing tag lists the tags there are, a missing name the nearest ones",
  async (t) => {
    const { find } = copyStore(t);
    fails(t, () => find("many:2"), "IMAGE_MISSING", /many:1, many:dangling$/);
    fails(
      t,
      () => find("mone:1"),
      "IMAGE_MISSING",
      /nearest names are: one:1, /,
    );
    fails(
      t,
      () => find("ab".repeat(32)),
      "IMAGE_MISSING",
      /no image there has this ID/,
    );
    fails(
      t,
      () => find(`one@sha256:${"ab".repeat(32)}`),
      "IMAGE_MISSING",
      /one:1/,
    );
  },
);

t.test("a beginning that several IDs share is ambiguous", async (t) => {
  const store = copyStore(t);
  const content = store.file("image/btrfs/imagedb/content/sha256");
  const hex = idOf("one:1").slice("sha256:".length);
  fs.writeFileSync(
    path.join(content, `${hex.slice(0, 40)}${"0".repeat(24)}`),
    "",
  );
  fails(
    t,
    () => store.find(hex.slice(0, 12)),
    "IMAGE_AMBIGUOUS",
    /2 image IDs/,
  );
});

t.test("a name wins over the beginning of an ID", async (t) => {
  const store = copyStore(t);
  const prefix = idOf("one:1").slice("sha256:".length).slice(0, 8);
  const file = store.file("image/btrfs/repositories.json");
  const all = fs.readJsonSync(file) as {
    Repositories: Record<string, unknown>;
  };
  all.Repositories[prefix] = { [`${prefix}:latest`]: idOf("many:1") };
  fs.writeJsonSync(file, all);
  t.equal(store.find(prefix).id, idOf("many:1"));
});

t.test("names that somebody has put in other lines are found", (t) => {
  const store = copyStore(t);
  const file = store.file("image/btrfs/repositories.json");
  fs.writeJsonSync(file, fs.readJsonSync(file), { spaces: 2 });
  t.equal(store.find("many:1").id, idOf("many:1"));
  t.end();
});

t.test(
  "a store cut off anywhere is an error, never a wrong answer or a crash",
  async (t) => {
    const store = copyStore(t);
    const hex = idOf("many:1").slice("sha256:".length);
    const layer = path.basename(
      path.dirname(findLayerFile(store, store.find("many:1").source)),
    );
    for (const name of [
      "image/btrfs/repositories.json",
      `image/btrfs/imagedb/content/sha256/${hex}`,
      `image/btrfs/layerdb/sha256/${layer}/diff`,
      `image/btrfs/layerdb/sha256/${layer}/cache-id`,
    ]) {
      const file = store.file(name);
      const whole = fs.readFileSync(file);
      const meaningful = whole.toString("utf8").trimEnd().length;
      for (let length = 0; length < meaningful; length += 1) {
        fs.writeFileSync(file, whole.subarray(0, length));
        try {
          store.find("many:1");
          t.fail(`${name} cut off at ${String(length)} was believed`);
        } catch (error) {
          if (!(error instanceof BootError)) throw error;
          if (!["STORE_DAMAGED", "SOURCE_MISSING"].includes(error.code))
            throw error;
        }
      }
      fs.rmSync(file);
      t.throws(
        () => store.find("many:1"),
        { name: "BootError" },
        `${name} absent`,
      );
      fs.writeFileSync(file, whole);
    }
    t.equal(store.find("many:1").id, idOf("many:1"));
  },
);

function findLayerFile(
  store: ReturnType<typeof storeIn>,
  source: string,
): string {
  const layers = store.file("image/btrfs/layerdb/sha256");
  const name = fs
    .readdirSync(layers)
    .find(
      (layer) =>
        fs.readFileSync(path.join(layers, layer, "cache-id"), "utf8") ===
        path.basename(source),
    );
  return path.join(layers, name ?? "", "cache-id");
}

t.test("a hostile cache ID or ID never becomes a path", async (t) => {
  const store = copyStore(t);
  const cacheId = findLayerFile(store, store.find("many:1").source);
  for (const hostile of [
    "../../../etc",
    "/etc",
    "a".repeat(63),
    "x\0y",
    "\u001b[31m",
  ]) {
    fs.writeFileSync(cacheId, hostile);
    fails(t, () => store.find("many:1"), "STORE_DAMAGED", /is no cache ID/);
  }
  const file = store.file("image/btrfs/repositories.json");
  fs.writeJsonSync(file, {
    Repositories: { many: { "many:1": "sha256:../../x" } },
  });
  fails(t, () => store.find("many:1"), "STORE_DAMAGED", /has no image ID/);
  for (const other of [
    [],
    { Repositories: [] },
    { Repositories: { many: null } },
    { Repositories: { many: `sha256:${"0".repeat(64)}` } },
    5,
  ]) {
    fs.writeJsonSync(file, other);
    fails(t, () => store.find("many:1"), "STORE_DAMAGED");
  }
});

t.test("a source that is gone says so", async (t) => {
  const store = copyStore(t);
  fs.rmdirSync(
    store.file(store.find("many:1").source.replace(/^docker\//, "")),
  );
  fails(
    t,
    () => store.find("many:1"),
    "SOURCE_MISSING",
    /there is no subvolume/,
  );
});

t.test("the way to btrfs begins with the directory on one", async (t) => {
  for (const engine of ["docker", "containerd", "podman"] as const) {
    t.match(storeUnsupported("docker", { engine, driver: "overlay" }), {
      hint: /is not on the btrfs, .*mount a subvolume there; .* load --input/,
    });
  }
});

t.test("stores of other kinds are named, with what to do", async (t) => {
  const cases: [string, ErrorCode, RegExp][] = [
    ["image/overlay2/layerdb", "STORE_UNSUPPORTED", /overlay2/],
    ["image/zfs/layerdb", "STORE_UNSUPPORTED", /zfs/],
    ["something", "STORE_MISSING", /it holds: something/],
    ["", "STORE_MISSING", /it is empty/],
    ["engine-id", "STORE_MISSING", /with a containerd that runs by itself/],
    ["100000.100000", "STORE_MISSING", /with a user namespace/],
  ];
  for (const [sign, code, pattern] of cases) {
    const directory = fs.mkdtempSync(path.join(t.testdir(), "x"));
    fs.mkdirpSync(path.join(directory, "docker", sign));
    fails(t, () => storeIn(directory).find("x"), code, pattern);
  }
  fails(
    t,
    () => storeIn(t.testdir({ other: {} })).find("x"),
    "STORE_MISSING",
    /at docker, .*holds: other|image store at docker; .*holds: other/,
  );
});

t.test("a link in the store is followed inside the filesystem", async (t) => {
  const store = copyStore(t);
  const expected = store.find("many:1");
  const whole = path.dirname(store.file(""));
  // Where /docker is on the filesystem, not on the machine.
  fs.moveSync(store.file("image"), path.join(whole, "elsewhere/image"));
  fs.symlinkSync("/elsewhere/image", store.file("image"));
  t.strictSame(store.find("many:1"), expected);
});

t.test(
  "a link out of the filesystem is not followed, whatever is there",
  async (t) => {
    refusesLinksOut(
      t,
      copyStore,
      [
        "image",
        "image/btrfs",
        "image/btrfs/repositories.json",
        "image/btrfs/imagedb/content",
        "image/btrfs/layerdb",
        "btrfs/subvolumes",
      ],
      "many:1",
    );
  },
);

t.test("what is no file in the store is damage", async (t) => {
  const store = copyStore(t);
  const file = store.file("image/btrfs/repositories.json");
  fs.removeSync(file);
  execFileSync("mkfifo", [file]);
  fails(t, () => store.find("many:1"), "STORE_DAMAGED", /is a FIFO/);
  fs.removeSync(file);
  fs.mkdirSync(file);
  fails(t, () => store.find("many:1"), "STORE_DAMAGED", /is a directory/);
});

t.test("names of any number and length are told in a few words", async (t) => {
  const store = copyStore(t);
  const file = store.file("image/btrfs/repositories.json");
  const id = idOf("many:1");
  const many = Object.fromEntries(
    Array.from({ length: 50_000 }, (_, index) => [`n${String(index)}:1`, id]),
  );
  const long = `${"x".repeat(1_000_000)}:1`;
  fs.writeJsonSync(file, { Repositories: { n: many, one: { [long]: id } } });
  try {
    store.find("many:2");
    t.fail("was found");
  } catch (error) {
    const { cause } = error as BootError;
    t.ok(cause instanceof Error && cause.message.length < 1000);
  }
});
