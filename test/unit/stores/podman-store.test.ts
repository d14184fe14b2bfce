import fs from "fs-extra";
import path from "node:path";
import t, { type Test } from "tap";
import { leafOf } from "../../leaf-of.ts";
import { fails } from "../fails.ts";
import {
  copyStore,
  hexOf,
  PODMAN,
  PODMAN_IMAGES as IMAGES,
  PODMAN_LAYERS as LAYERS,
} from "./captured-stores.ts";

// What is particular to Podman's store; contract.test.ts has the rest.

const { list, images } = fs.readJsonSync(
  path.join(
    import.meta.dirname,
    `../../../fixtures/captured/${PODMAN.captured}/images.json`,
  ),
) as {
  images: { id: string; tags: string[]; digest: string; layers: string[] }[];
  /** `multi:1`: its own ID, and that of the image in it for amd64. */
  list: { id: string; amd64: string };
};

const said = (tag: string) => {
  const image = images.find(({ tags }) => tags.includes(`localhost/${tag}`));
  if (image === undefined) throw new Error(`there is no ${tag}`);
  return image;
};

type Entry = Record<string, unknown>;

function copyPodman(t: Test, architecture?: string) {
  const store = copyStore(t, PODMAN, architecture);
  return {
    ...store,
    /** Changes each entry of images.json or layers.json that fits. */
    edit: (name: string, fits: string, change: (entry: Entry) => void) => {
      const entries = fs.readJsonSync(store.file(name)) as Entry[];
      for (const entry of entries) {
        if (JSON.stringify(entry).includes(fits)) change(entry);
      }
      fs.writeJsonSync(store.file(name), entries);
    },
  };
}

t.test("a name without a registry is found below each registry", async (t) => {
  const { find } = copyPodman(t);
  const texts =
    "one:1 me/one hub:1 library/hub:1 docker.io/hub:1 x/one:v2 one:v2 one docker.io/library/both:1 library/both:1 x/both:2";
  for (const text of texts.split(" ")) {
    t.equal(find(text).id, said("one:1").id, text);
  }
  t.equal(find("localhost/both:1").id, said("many:1").id);
  t.equal(find("y/both:2").id, said("many:1").id);
});

t.test(
  "where registries have different images of the name, none is taken",
  async (t) => {
    const { find } = copyPodman(t);
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
  const store = copyPodman(t);
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
  const { find } = copyPodman(t);
  for (const text of ["multi:1", "localhost/multi:1", list.id]) {
    t.equal(find(text).id, list.amd64, text);
  }
  t.equal(copyPodman(t, "arm64").find("multi:1").architecture, "arm64");
  fails(
    t,
    () => copyPodman(t, "riscv64").find("multi:1"),
    "IMAGE_MISSING",
    /linux\/riscv64 is not in the store/,
    /it has: linux\/arm64, linux\/amd64/,
  );
  const damaged = copyPodman(t);
  const manifest = damaged.file(`btrfs-images/${hexOf(list.id)}/manifest`);
  const text = fs.readFileSync(manifest, "utf8").trimEnd();
  for (const content of [
    ...Array.from(text, (_, length) => text.slice(0, length)),
    "[]",
    "{}",
    '{"manifests":{}}',
    '{"manifests":[5]}',
    '{"manifests":[{"digest":"../..","platform":{}}]}',
    `{"manifests":[{"digest":"${list.id}"}]}`,
  ]) {
    fs.writeFileSync(manifest, content);
    fails(t, () => damaged.find("multi:1"), "STORE_DAMAGED");
  }
  fs.removeSync(manifest);
  fails(t, () => damaged.find("multi:1"), "STORE_DAMAGED", /is absent/);
  t.end();
});

t.test("the size of a layer", (t) => {
  const store = copyPodman(t);
  store.edit(LAYERS, "", (entry) => delete entry["diff-size"]);
  t.ok(store.layersOf("many:1").every(({ sizeBytes }) => sizeBytes === 0));
  for (const size of [-1, "1", 1.5]) {
    store.edit(LAYERS, "", (entry) => {
      entry["diff-size"] = size;
    });
    fails(t, () => store.layersOf("many:1"), "STORE_DAMAGED", /has no size/);
    t.equal(store.find("many:1").id, said("many:1").id, "a boot does not ask");
  }
  t.end();
});

t.test("what is missing lists what there is", async (t) => {
  const { find } = copyPodman(t);
  const cases: [string, RegExp][] = [
    ["many:2", /the store has: localhost\/many:1$/],
    ["hub:2", /the store has: docker\.io\/library\/hub:1$/],
    ["localhost/many:2", /the store has: localhost\/many:1$/],
    ["docker.io/many:1", /no image of that name; the nearest names are: /],
    ["localhost/hub:1", /no image of that name; the nearest names are: /],
  ];
  for (const [text, pattern] of cases) {
    fails(t, () => find(text), "IMAGE_MISSING", pattern);
  }
  t.throws(() => find(`hub@${said("many:1").digest}`), {
    code: "IMAGE_MISSING",
  });
});

t.test("a hostile ID never becomes a path", async (t) => {
  for (const hostile of [
    "../../../etc",
    "/etc",
    "a".repeat(63),
    `${"a".repeat(64)}\n`,
    "x\0y",
    "\u001b[31m",
    5,
    null,
    {},
    ["a".repeat(64)],
  ]) {
    const store = copyPodman(t);
    const { id, layers } = said("many:1");
    store.edit(IMAGES, id, (entry) => {
      entry["layer"] = hostile;
    });
    fails(t, () => store.find("many:1"), "STORE_DAMAGED");
    const other = copyPodman(t);
    other.edit(LAYERS, layers.at(-1) ?? "", (entry) => {
      entry["parent"] = hostile;
    });
    fails(t, () => other.find("many:1"), "STORE_DAMAGED");
    const third = copyPodman(t);
    third.edit(IMAGES, id, (entry) => {
      entry["id"] = hostile;
    });
    fails(t, () => third.find("many:1"), "STORE_DAMAGED", /has no ID/);
  }
});

t.test("lists that are none are damage", async (t) => {
  const store = copyPodman(t);
  for (const name of [IMAGES, LAYERS]) {
    const whole = fs.readFileSync(store.file(name));
    for (const other of [{}, 5, null, "x", { images: [] }]) {
      fs.writeJsonSync(store.file(name), other);
      fails(t, () => store.find("many:1"), "STORE_DAMAGED", /is not a list of/);
    }
    fs.writeFileSync(store.file(name), whole);
  }
  for (const [key, value] of [
    ["names", 5],
    ["names", [5]],
    ["big-data-digests", 5],
    ["big-data-digests", []],
  ] as const) {
    const other = copyPodman(t);
    other.edit(IMAGES, "", (entry) => {
      entry[key] = value;
    });
    fails(t, () => other.find("many:1"), "STORE_DAMAGED");
  }
});

t.test("what later versions add is of no matter", async (t) => {
  const store = copyPodman(t);
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
    const store = copyPodman(t);
    store.edit(LAYERS, `"diff-digest":"${top}"`, change);
    fails(t, () => store.find("many:1"), "STORE_DAMAGED");
    t.equal(store.find("one:1").id, said("one:1").id, what);
  }
  const deeper = copyPodman(t);
  deeper.edit(LAYERS, `"id":"${idOf(base)}"`, (entry) => {
    entry["parent"] = "a".repeat(64);
  });
  fails(
    t,
    () => deeper.find("many:1"),
    "STORE_DAMAGED",
    /has another layer below its/,
  );
});

t.test("a layer that podman had not finished is not booted", async (t) => {
  const store = copyPodman(t);
  const { layers } = said("many:1");
  store.edit(LAYERS, `"diff-digest":"${layers[1] ?? ""}"`, (entry) => {
    entry["flags"] = { incomplete: true };
  });
  fails(t, () => store.find("many:1"), "SOURCE_MISSING", /is incomplete/);
  const other = copyPodman(t);
  const top = path.basename(leafOf(other.find("many:1")));
  fs.writeJsonSync(
    other.file(LAYERS),
    (fs.readJsonSync(other.file(LAYERS)) as Entry[]).filter(
      ({ id }) => id !== top,
    ),
  );
  fails(t, () => other.find("many:1"), "SOURCE_MISSING", /is absent/);
});

t.test("lists that would fill the memory are not parsed", async (t) => {
  const store = copyPodman(t);
  const depth = 1_100_000;
  for (const text of [
    `[${"{},".repeat(depth)}{}]`,
    "[".repeat(2 * depth) + "]".repeat(2 * depth),
  ]) {
    fs.writeFileSync(store.file(IMAGES), text);
    fails(t, () => store.find("many:1"), "STORE_DAMAGED", /more than 2000000/);
  }
});
