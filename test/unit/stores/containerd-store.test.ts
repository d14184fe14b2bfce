import fs from "fs-extra";
import t from "tap";
import {
  PAGE,
  writeDatabase,
  writeMeta,
  type Part,
} from "../../../fixtures/bolt-writer.ts";
import { BootError } from "../../../runtime/base/errors.ts";
import { sha256 } from "../../../runtime/base/sha256.ts";
import type { Host } from "../../../runtime/host/host.ts";
import { parseImageReference } from "../../../runtime/images/image-ref.ts";
import type { BoltFile } from "../../../runtime/stores/bolt/meta.ts";
import {
  encodeUvarint,
  readUvarint,
} from "../../../runtime/stores/containerd/snapshotter.ts";
import { openStore } from "../../../runtime/stores/open-store.ts";
import { fails } from "../fails.ts";
import { asFile } from "./bolt-databases.ts";
import {
  CONTAINERD,
  CONTAINERD_SNAPSHOTTER,
  copyStore,
} from "./captured-stores.ts";
import { META, openMemoryStore, readCaptured } from "./memory-store.ts";

// What is particular to containerd's store; contract.test.ts has the rest.

t.test("the digest of a configuration is no ID here", (t) => {
  const { find } = copyStore(t, CONTAINERD);
  const { configId } = find("one:1");
  fails(t, () => find(configId), "IMAGE_MISSING", /no image there has this ID/);
  t.end();
});

t.test("a missing tag lists the tags there are", (t) => {
  const { find } = copyStore(t, CONTAINERD);
  fails(t, () => find("many:2"), "IMAGE_MISSING", /many:1, many:dangling$/);
  t.end();
});

t.test("an image of another machine says which one it is for", (t) => {
  const { find, images } = copyStore(t, CONTAINERD, "arm64");
  const all = images.flatMap(({ names }) => names);
  const name = all.find((tag) => tag.endsWith("/two-platforms:1")) ?? "";
  fails(
    t,
    () => find(name),
    "IMAGE_MISSING",
    /only for other machines than this one \(linux\/arm64\); it is there for linux\/amd64$/,
  );
  t.end();
});

t.test("a snapshotter without its database says so", (t) => {
  const { find, file } = copyStore(t, CONTAINERD);
  fs.rmSync(file(`${CONTAINERD_SNAPSHOTTER}/metadata.db`));
  fails(t, () => find("many:1"), "SOURCE_MISSING", /metadata.db is absent/);
  t.end();
});

const NAME = "docker.io/library/a:1";

/** A store whose meta.db has these pages from page 2 on. */
function storeWith(...pages: readonly (readonly Part[])[]) {
  const store = openMemoryStore();
  store.files.set(META, writeDatabase(pages));
  return {
    ...store,
    find: (text = "a:1") =>
      openStore(store.location).findRoot(parseImageReference(text)),
  };
}

/** A store with one image, whose index, manifest or whatever is this text. */
function storeWithBlob(text: string, others: readonly string[] = []) {
  const store = storeWith(
    [{ key: "v1", root: 3 }],
    [{ key: "moby", root: 4 }],
    [{ key: "images", root: 5 }],
    [{ key: NAME, root: 6 }],
    [
      {
        key: "target",
        inline: [{ key: "digest", value: `sha256:${sha256(text)}` }],
      },
    ],
  );
  for (const blob of [text, ...others]) {
    const file = `io.containerd.content.v1.content/blobs/sha256/${sha256(blob)}`;
    store.files.set(file, Buffer.from(blob));
  }
  return store;
}

/** Two names of which one record, or one list of names, would be the other's too: page 6 is there twice. */
const doubles: Readonly<Record<string, readonly (readonly Part[])[]>> = {
  "two images with the same record": [
    [{ key: "v1", root: 3 }],
    [{ key: "moby", root: 4 }],
    [{ key: "images", root: 5 }],
    [
      { key: NAME, root: 6 },
      { key: "docker.io/library/b:1", root: 6 },
    ],
    [],
  ],
  "two images of far-away names with the same record": [
    [{ key: "v1", root: 3 }],
    [{ key: "moby", root: 4 }],
    [{ key: "images", root: 5 }],
    [
      { key: NAME, child: 7 },
      { key: "docker.io/library/b:1", child: 8 },
    ],
    [],
    [{ key: NAME, root: 6 }],
    [{ key: "docker.io/library/b:1", root: 6 }],
  ],
  "another namespace with the same images": [
    [{ key: "v1", root: 3 }],
    [
      { key: "k8s.io", root: 4 },
      { key: "moby", root: 5 },
    ],
    [{ key: "images", root: 6 }],
    [{ key: "images", root: 6 }],
    [],
  ],
};

for (const [what, pages] of Object.entries(doubles)) {
  t.test(`${what}: none is taken for the other`, (t) => {
    const { find } = storeWith(...pages);
    fails(t, () => find(), "STORE_DAMAGED", /page 6 is used twice/);
    t.end();
  });
}

t.test("indexes that name each other over and over end", async (t) => {
  let text = JSON.stringify({ manifests: [] });
  const others: string[] = [];
  for (let depth = 0; depth < 3; depth += 1) {
    others.push(text);
    const digest = `sha256:${sha256(text)}`;
    const manifests = Array.from({ length: 3000 }, () => ({ digest }));
    text = JSON.stringify({ manifests });
  }
  const { find } = storeWithBlob(text, others);
  fails(t, () => find(), "IMAGE_MISSING", /nothing that it lists was fetched/);
});

t.test("an index in an index in an index is too deep", async (t) => {
  let text = JSON.stringify({ manifests: [] });
  const others: string[] = [];
  for (let depth = 0; depth < 4; depth += 1) {
    others.push(text);
    const manifests = [{ digest: `sha256:${sha256(text)}` }];
    text = JSON.stringify({ manifests });
  }
  const { find } = storeWithBlob(text, others);
  fails(t, () => find(), "STORE_DAMAGED", /nested too deeply in other indexes/);
});

t.test("a platform and namespaces of any length fit a message", async (t) => {
  const manifest = "{}";
  const digest = `sha256:${sha256(manifest)}`;
  const manifests = Array.from({ length: 50 }, (_, index) => ({
    digest,
    platform: { os: "x".repeat(20_000), architecture: String(index) },
  }));
  const { find } = storeWithBlob(JSON.stringify({ manifests }), [manifest]);
  const names = Array.from({ length: 99 }, (_, index) => ({
    key: `${String(index).padStart(3)}${"y".repeat(30_000)}`,
    inline: [],
  }));
  const foreign = storeWith([{ key: "v1", root: 3 }], names);
  for (const look of [find, foreign.find]) {
    try {
      look();
      t.fail("was found");
    } catch (error) {
      if (!(error instanceof BootError)) throw error;
      const cause = error.cause instanceof Error ? error.cause.message : "";
      t.ok(error.message.length + cause.length < 2000, error.message);
    }
  }
});

t.test("a store that changes at any moment is read as it was or is", (t) => {
  const last = readCaptured("last");
  const former = readCaptured("former");
  const answersTo = (text: string) =>
    [former, last].map(({ meta }) => answer(() => asFile(meta), text));
  t.equal(
    new Set(answersTo("moved:1")).size,
    2,
    "the name has come to another image",
  );
  let moments = 0;
  // One that is there, and one for which all names are read.
  for (const text of ["moved:1", "nowhere:1"]) {
    const answers = answersTo(text);
    let moment = 0;
    for (let isOver = false; !isOver; moment += 1) {
      let reads = 0;
      const found = answer(() => {
        const files = [asFile(former.meta), asFile(last.meta)] as const;
        const now = () => files[reads > moment ? 1 : 0];
        return {
          sizeBytes: () => now().sizeBytes(),
          read: (into, position) => {
            reads += 1;
            now().read(into, position);
          },
        };
      }, text);
      if (!answers.includes(found)) {
        t.fail(`${text} after ${String(moment)}: ${found}`);
      }
      isOver = reads <= moment;
    }
    moments += moment;
  }
  t.ok(moments > 20, `at ${String(moments)} moments`);
  t.end();
});

t.test("a store that never stops changing is an error", (t) => {
  let transaction = 0;
  const pages = writeDatabase([[{ key: "v1", root: 3 }], []]);
  const found = answer(
    () => ({
      sizeBytes: () => pages.length,
      read: (into, position) => {
        const page = Math.floor(position / PAGE);
        if (page < 2) {
          transaction += 1;
          const meta = writeMeta(transaction, { root: 2, pgid: 4 });
          meta.copy(into, 0, position - page * PAGE);
        } else pages.copy(into, 0, position);
      },
    }),
    "a:1",
  );
  t.match(found, /an engine keeps writing to it$/);
  t.end();
});

t.test("numbers are read as Go writes them, and in no other way", (t) => {
  for (const [value, bytes] of [
    [0n, [0]],
    [1n, [1]],
    [127n, [0x7f]],
    [128n, [0x80, 1]],
    [300n, [0xac, 2]],
    [2n ** 63n, [...Array<number>(9).fill(0x80), 1]],
    [2n ** 64n - 1n, [...Array<number>(9).fill(0xff), 1]],
  ] as const) {
    t.equal(readUvarint(Buffer.from(bytes)), value);
    t.strictSame(encodeUvarint(value), Buffer.from(bytes));
  }
  for (const bytes of [
    [],
    [0x80],
    [1, 1],
    [0x81, 0],
    [0x80, 0x80, 0],
    [...Array<number>(9).fill(0xff), 2],
    Array<number>(10).fill(0x80),
    [...Array<number>(10).fill(0x80), 1],
  ]) {
    t.equal(readUvarint(Buffer.from(bytes)), undefined, bytes.join());
  }
  t.equal(readUvarint(undefined), undefined);
  t.end();
});

/** What the captured store answers, with another meta.db. */
function answer(open: () => BoltFile, reference: string): string {
  const { location } = openMemoryStore();
  const { files } = location.host;
  const file = open();
  const host: Host = {
    ...location.host,
    files: {
      ...files,
      withFile: (place, maxBytes, work) =>
        place.endsWith(META)
          ? work(file)
          : files.withFile(place, maxBytes, work),
    },
  };
  try {
    const store = openStore({ ...location, host });
    const { id, source } = store.findRoot(parseImageReference(reference));
    return `${id} ${source}`;
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    return error.message;
  }
}
