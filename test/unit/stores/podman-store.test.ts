import fs from "fs-extra";
import { execFileSync } from "node:child_process";
import path from "node:path";
import t, { type Test } from "tap";
import { BootError } from "../../../runtime/base/errors.ts";
import { parseImageReference } from "../../../runtime/images/image-ref.ts";
import { openStore } from "../../../runtime/stores/open-store.ts";
import { fails } from "../fails.ts";
import { hostWithSubvolumes } from "../disk/host-with-subvolumes.ts";
import { refusesLinksOut } from "./refuses-links-out.ts";

const CAPTURED = path.join(
  import.meta.dirname,
  "../../../fixtures/captured/podman-4.3.1-btrfs",
);
const { images, list } = fs.readJsonSync(
  path.join(CAPTURED, "images.json"),
) as {
  images: { id: string; tags: string[]; digest: string; layers: string[] }[];
  /** `multi:1`: its own ID, and that of the image in it for amd64. */
  list: { id: string; amd64: string };
};
const subvolumes = fs.readJsonSync(
  path.join(CAPTURED, "subvolumes.json"),
) as string[];
const said = (tag: string) => {
  const image = images.find(({ tags }) => tags.includes(`localhost/${tag}`));
  if (image === undefined) throw new Error(`there is no ${tag}`);
  return image;
};
const hexOf = (id: string) => id.slice("sha256:".length);
const IMAGES = "btrfs-images/images.json";
const LAYERS = "btrfs-layers/layers.json";

/** Of each file: a list's ends are all alike. */
const MAX_CUTS = 400;

type Entry = Record<string, unknown>;

function copyStore(t: Test, architecture = "x64") {
  const directory = t.testdir();
  const whole = fs.mkdtempSync(path.join(directory, "disk-"));
  fs.copySync(path.join(CAPTURED, "store"), path.join(whole, "podman"));
  for (const name of subvolumes) {
    fs.mkdirpSync(path.join(whole, "podman/btrfs/subvolumes", name));
  }
  const host = hostWithSubvolumes("podman/btrfs/subvolumes", architecture);
  const location = { host, topLevel: whole, path: "podman" };
  const file = (name: string) => path.join(whole, "podman", name);
  const find = (text: string) =>
    openStore(location).find(parseImageReference(text));
  return {
    find,
    layersOf: (text: string) => openStore(location).listLayers(find(text)),
    file,
    config: (id: string) =>
      file(`btrfs-images/${hexOf(id)}/=${Buffer.from(id).toString("base64")}`),
    /** Changes each entry of images.json or layers.json that fits. */
    edit: (name: string, fits: string, change: (entry: Entry) => void) => {
      const entries = fs.readJsonSync(file(name)) as Entry[];
      for (const entry of entries) {
        if (JSON.stringify(entry).includes(fits)) change(entry);
      }
      fs.writeJsonSync(file(name), entries);
    },
  };
}

t.test(
  "every name, digest, ID and unique beginning of an ID leads to what podman says",
  async (t) => {
    const { find } = copyStore(t);
    for (const { id, tags, digest, layers } of images) {
      if (layers.length === 0) continue;
      const hex = hexOf(id);
      for (const text of [
        ...tags,
        ...tags.map((tag) => tag.replace(/:[^:/]*$/, `@${digest}`)),
        ...tags.map((tag) => `${tag}@${digest}`),
        ...[id, hex, hex.slice(0, 12), hex.slice(0, 4)],
      ]) {
        const found = find(text);
        t.equal(found.id, id, text);
        t.strictSame(found.diffIds, layers, text);
        t.ok(subvolumes.includes(path.basename(found.source)), text);
      }
    }
  },
);

t.test("a name without a registry is found below each registry", async (t) => {
  const { find } = copyStore(t);
  const one = said("one:1").id;
  const cases: [string, string][] = [
    ...["one:1", "me/one", "hub:1", "library/hub:1", "docker.io/hub:1"],
    ...["x/one:v2", "one:v2", "one", "docker.io/library/both:1"],
    ...["library/both:1", "x/both:2"],
  ].map((text) => [text, one]);
  for (const [text, id] of cases) t.equal(find(text).id, id, text);
  t.equal(find("localhost/both:1").id, said("many:1").id);
  t.equal(find("y/both:2").id, said("many:1").id);
});

t.test(
  "where registries have different images of the name, none is taken",
  async (t) => {
    const { find } = copyStore(t);
    fails(
      t,
      () => find("both:1"),
      "IMAGE_AMBIGUOUS",
      /docker\.io\/library\/both:1, localhost\/both:1/,
    );
    fails(
      t,
      () => find("both:2"),
      "IMAGE_AMBIGUOUS",
      /registry\.example\/x\/both:2, images\.example\/y\/both:2/,
    );
  },
);

t.test("a name directly below a registry wins over an ID's beginning", (t) => {
  const store = copyStore(t);
  const { find } = store;
  const prefix = hexOf(said("one:1").id).slice(0, 8);
  const name = (text: string) => {
    store.edit(IMAGES, said("many:1").id, (entry) => {
      entry["names"] = [text];
    });
  };
  for (const registry of ["localhost", "docker.io/library", "images.example"]) {
    name(`${registry}/${prefix}:latest`);
    t.equal(find(prefix).id, said("many:1").id, registry);
  }
  name(`images.example/deep/${prefix}:latest`);
  t.equal(find(prefix).id, said("one:1").id, "a name's end does not");
  t.end();
});

t.test("a list for several platforms leads to this machine's image", (t) => {
  const { find } = copyStore(t);
  for (const text of ["multi:1", "localhost/multi:1", list.id]) {
    t.equal(find(text).id, list.amd64, text);
  }
  t.equal(copyStore(t, "arm64").find("multi:1").architecture, "arm64");
  fails(
    t,
    () => copyStore(t, "riscv64").find("multi:1"),
    "IMAGE_MISSING",
    /linux\/riscv64 is not in the store/,
    /it has: linux\/arm64, linux\/amd64/,
  );
  const damaged = copyStore(t);
  const manifest = damaged.file(`btrfs-images/${hexOf(list.id)}/manifest`);
  for (const content of [
    ...[[], {}, { manifests: {} }, { manifests: [5] }],
    { manifests: [{ digest: "../..", platform: {} }] },
    { manifests: [{ digest: list.id }] },
  ]) {
    fs.writeJsonSync(manifest, content);
    fails(t, () => damaged.find("multi:1"), "STORE_DAMAGED");
  }
  t.end();
});

t.test("the layers of an image, with their sizes", async (t) => {
  const store = copyStore(t);
  const layers = store.layersOf("many:1");
  t.strictSame(
    layers.map(({ diffId }) => diffId),
    said("many:1").layers,
  );
  t.equal(layers[0]?.chainId, layers[0]?.diffId);
  t.equal(layers.at(-1)?.cacheId, path.basename(store.find("many:1").source));
  t.ok(layers.every(({ cacheId }) => subvolumes.includes(cacheId)));
  t.ok(layers.every(({ sizeBytes }) => sizeBytes > 0));
  store.edit(LAYERS, "", (entry) => delete entry["diff-size"]);
  t.ok(store.layersOf("many:1").every(({ sizeBytes }) => sizeBytes === 0));
  for (const size of [-1, "1", 1.5]) {
    store.edit(LAYERS, "", (entry) => {
      entry["diff-size"] = size;
    });
    fails(t, () => store.layersOf("many:1"), "STORE_DAMAGED", /has no size/);
    t.equal(store.find("many:1").id, said("many:1").id, "a boot does not ask");
  }
});

t.test("an image without layers is not taken for a system", async (t) => {
  const { find } = copyStore(t);
  for (const text of ["empty:1", said("empty:1").id]) {
    fails(t, () => find(text), "IMAGE_EMPTY", /no layers/);
  }
});

t.test("what is missing lists what there is", async (t) => {
  const { find } = copyStore(t);
  const cases: [string, RegExp][] = [
    ["many:2", /of many there are: localhost\/many:1$/],
    ["hub:2", /of hub there are: docker\.io\/library\/hub:1$/],
    ["localhost/many:2", /of localhost\/many there are: localhost\/many:1$/],
    ["docker.io/many:1", /no image of that name; the nearest names are: /],
    ["localhost/hub:1", /no image of that name; the nearest names are: /],
    ["mone:1", /nearest names are: /],
    ["ab".repeat(32), /no image there has this ID/],
    [`one@sha256:${"ab".repeat(32)}`, /one:1/],
    [`sha256:${"ab".repeat(32)}`, /no image there has this ID/],
  ];
  for (const [text, pattern] of cases) {
    fails(t, () => find(text), "IMAGE_MISSING", pattern);
  }
  t.throws(() => find(`hub@${said("many:1").digest}`), {
    code: "IMAGE_MISSING",
  });
});

t.test("a beginning that several IDs share is ambiguous", async (t) => {
  const store = copyStore(t);
  const hex = hexOf(said("one:1").id);
  store.edit(IMAGES, said("many:1").id, (entry) => {
    entry["id"] = `${hex.slice(0, 40)}${"0".repeat(24)}`;
  });
  fails(
    t,
    () => store.find(hex.slice(0, 12)),
    "IMAGE_AMBIGUOUS",
    /2 image IDs/,
  );
});

t.test(
  "a store cut off anywhere is an error, never a wrong answer or a crash",
  async (t) => {
    const store = copyStore(t);
    const { id } = said("many:1");
    for (const file of [
      ...[store.file(IMAGES), store.file(LAYERS), store.config(id)],
      store.file(`btrfs-images/${hexOf(list.id)}/manifest`),
    ]) {
      const text = file.endsWith("manifest") ? "multi:1" : "many:1";
      const whole = fs.readFileSync(file);
      const meaningful = whole.toString("utf8").trimEnd().length;
      const step = Math.ceil(meaningful / MAX_CUTS);
      for (let length = 0; length < meaningful; length += step) {
        fs.writeFileSync(file, whole.subarray(0, length));
        try {
          store.find(text);
          t.fail(`${file} cut off at ${String(length)} was believed`);
        } catch (error) {
          if (!(error instanceof BootError)) throw error;
          if (error.code !== "STORE_DAMAGED") throw error;
        }
      }
      fs.rmSync(file);
      t.throws(() => store.find(text), { name: "BootError" }, `${file} absent`);
      fs.writeFileSync(file, whole);
    }
    t.equal(store.find("many:1").id, id);
    t.equal(store.find("multi:1").id, list.amd64);
  },
);

t.test("a hostile ID never becomes a path", async (t) => {
  for (const hostile of [
    ...["../../../etc", "/etc", "a".repeat(63), "x\0y", "\u001b[31m"],
    ...[5, null, {}, ["a".repeat(64)], `${"a".repeat(64)}\n`],
  ]) {
    const store = copyStore(t);
    const { id, layers } = said("many:1");
    store.edit(IMAGES, id, (entry) => {
      entry["layer"] = hostile;
    });
    fails(t, () => store.find("many:1"), "STORE_DAMAGED");
    const other = copyStore(t);
    other.edit(LAYERS, layers.at(-1) ?? "", (entry) => {
      entry["parent"] = hostile;
    });
    fails(t, () => other.find("many:1"), "STORE_DAMAGED");
    const third = copyStore(t);
    third.edit(IMAGES, id, (entry) => {
      entry["id"] = hostile;
    });
    fails(t, () => third.find("many:1"), "STORE_DAMAGED", /has no ID/);
  }
});

t.test("lists that are none are damage", async (t) => {
  const store = copyStore(t);
  for (const name of [IMAGES, LAYERS]) {
    const whole = fs.readFileSync(store.file(name));
    for (const other of [{}, 5, null, "x", { images: [] }]) {
      fs.writeJsonSync(store.file(name), other);
      fails(t, () => store.find("many:1"), "STORE_DAMAGED", /is no list of/);
    }
    fs.writeFileSync(store.file(name), whole);
  }
  for (const [key, value] of [
    ...(["names", "big-data-digests"] as const).map((key) => [key, 5] as const),
    ["names", [5]],
    ["big-data-digests", []],
  ] as const) {
    const other = copyStore(t);
    other.edit(IMAGES, "", (entry) => {
      entry[key] = value;
    });
    fails(t, () => other.find("many:1"), "STORE_DAMAGED");
  }
});

t.test("what later versions add is of no matter", async (t) => {
  const store = copyStore(t);
  const expected = store.find("many:1");
  for (const name of [IMAGES, LAYERS]) {
    store.edit(name, "", (entry) => {
      entry["new"] = { field: [null] };
      entry["flags"] = { other: true };
    });
  }
  t.strictSame(store.find("many:1"), expected);
});

t.test("layers that loop, are too many or of another image", async (t) => {
  const { layers } = said("many:1");
  const [base = "", , third = "", top = ""] = layers;
  const idOf = (layer: string) => hexOf(base === layer ? base : layer);
  const cases: [string, (entry: Entry) => void][] = [
    ["loops at the top", (entry) => (entry["parent"] = entry["id"])],
    ["has no parent", (entry) => delete entry["parent"]],
    ["is another one", (entry) => (entry["diff-digest"] = third)],
    ["has no digest", (entry) => delete entry["diff-digest"]],
  ];
  for (const [what, change] of cases) {
    const store = copyStore(t);
    store.edit(LAYERS, `"diff-digest":"${top}"`, change);
    fails(t, () => store.find("many:1"), "STORE_DAMAGED");
    t.equal(store.find("one:1").id, said("one:1").id, what);
  }
  const deeper = copyStore(t);
  deeper.edit(LAYERS, `"id":"${idOf(base)}"`, (entry) => {
    entry["parent"] = "a".repeat(64);
  });
  fails(t, () => deeper.find("many:1"), "STORE_DAMAGED", /is another one/);
});

t.test("a layer that podman had not finished is not booted", async (t) => {
  const store = copyStore(t);
  const { layers } = said("many:1");
  store.edit(LAYERS, `"diff-digest":"${layers[1] ?? ""}"`, (entry) => {
    entry["flags"] = { incomplete: true };
  });
  fails(t, () => store.find("many:1"), "SOURCE_MISSING", /is incomplete/);
  const other = copyStore(t);
  const top = path.basename(other.find("many:1").source);
  fs.writeJsonSync(
    other.file(LAYERS),
    (fs.readJsonSync(other.file(LAYERS)) as Entry[]).filter(
      ({ id }) => id !== top,
    ),
  );
  fails(t, () => other.find("many:1"), "SOURCE_MISSING", /is absent/);
});

t.test("a source that is gone says so", async (t) => {
  const store = copyStore(t);
  fs.rmdirSync(
    store.file(store.find("many:1").source.replace(/^podman\//, "")),
  );
  fails(
    t,
    () => store.find("many:1"),
    "SOURCE_MISSING",
    /there is no subvolume/,
  );
});

t.test("a configuration that was changed is noticed", async (t) => {
  const store = copyStore(t);
  const file = store.config(said("many:1").id);
  fs.writeFileSync(
    file,
    fs.readFileSync(file, "utf8").replace("amd64", "arm64"),
  );
  fails(t, () => store.find("many:1"), "STORE_DAMAGED", /another sha256/);
});

t.test("a link in the store is followed inside the filesystem", async (t) => {
  const store = copyStore(t);
  const expected = store.find("many:1");
  const whole = path.dirname(store.file(""));
  for (const name of ["btrfs-images", "btrfs-layers"]) {
    // Where it is on the filesystem, not on the machine.
    fs.moveSync(store.file(name), path.join(whole, "elsewhere", name));
    fs.symlinkSync(`/elsewhere/${name}`, store.file(name));
  }
  t.strictSame(store.find("many:1"), expected);
});

t.test(
  "a link out of the filesystem is not followed, whatever is there",
  async (t) => {
    refusesLinksOut(
      t,
      copyStore,
      [
        ...["btrfs-images", IMAGES, "btrfs-layers", LAYERS],
        ...[`btrfs-images/${hexOf(said("many:1").id)}`, "btrfs/subvolumes"],
      ],
      "many:1",
    );
  },
);

t.test("what is no file in the store is damage", async (t) => {
  const store = copyStore(t);
  for (const name of [IMAGES, LAYERS]) {
    const file = store.file(name);
    const whole = fs.readFileSync(file);
    fs.removeSync(file);
    execFileSync("mkfifo", [file]);
    fails(t, () => store.find("many:1"), "STORE_DAMAGED", /is a FIFO/);
    fs.removeSync(file);
    fs.mkdirSync(file);
    fails(t, () => store.find("many:1"), "STORE_DAMAGED", /is a directory/);
    fs.removeSync(file);
    fs.writeFileSync(file, whole);
  }
});

t.test("names of any number and length are told in a few words", async (t) => {
  const store = copyStore(t);
  const lists = [
    Array.from(
      { length: 50_000 },
      (_, index) => `images.example/n${String(index)}/x:1`,
    ),
    [`localhost/${"x".repeat(1_000_000)}:1`],
  ];
  store.edit(IMAGES, "", (entry) => {
    entry["names"] = lists.pop() ?? [];
  });
  for (const text of ["many:2", "x:2"]) {
    try {
      store.find(text);
      t.fail("was found");
    } catch (error) {
      const { cause, message } = error as BootError;
      t.ok(cause instanceof Error && cause.message.length < 1000);
      t.ok(message.length < 1000);
    }
  }
});

t.test("lists that would fill the memory are not parsed", async (t) => {
  const store = copyStore(t);
  const depth = 1_100_000;
  for (const text of [
    `[${"{},".repeat(depth)}{}]`,
    "[".repeat(2 * depth) + "]".repeat(2 * depth),
  ]) {
    fs.writeFileSync(store.file(IMAGES), text);
    fails(t, () => store.find("many:1"), "STORE_DAMAGED", /more than 2000000/);
  }
});
