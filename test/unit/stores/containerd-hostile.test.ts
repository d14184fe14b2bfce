import fs from "node:fs";
import path from "node:path";
import t from "tap";
import { createHost, type Host } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";
import { BootError } from "../../../runtime/base/errors.ts";
import { parseImageReference } from "../../../runtime/images/image-ref.ts";
import type { BoltFile } from "../../../runtime/stores/bolt/meta.ts";
import { sha256 } from "../../../runtime/base/sha256.ts";
import { openStore } from "../../../runtime/stores/open-store.ts";
import { asFile } from "./bolt-databases.ts";
import {
  writeDatabase,
  writeMeta,
  PAGE,
  type Part,
} from "../../../fixtures/bolt-writer.ts";
import { fails } from "../fails.ts";
import { META, openMemoryStore, readCaptured } from "./memory-store.ts";

// A containerd's store that is hostile, or that an engine is writing to.

const NAME = "docker.io/library/a:1";
const record = (digest: string): Part[] => [
  { key: "target", inline: [{ key: "digest", value: digest }] },
];
const ID = `sha256:${"a".repeat(64)}`;

/** A store whose meta.db has these pages from page 2 on. */
function storeWith(...pages: readonly (readonly Part[])[]) {
  const store = openMemoryStore();
  store.files.set(META, writeDatabase(pages));
  return {
    ...store,
    find: (text = "a:1") =>
      openStore(store.location).find(parseImageReference(text)),
  };
}

/** A store with one image, whose index, manifest or whatever is this text. */
function storeWithBlob(text: string, others: readonly string[] = []) {
  const store = storeWith(
    [{ key: "v1", root: 3 }],
    [{ key: "moby", root: 4 }],
    [{ key: "images", root: 5 }],
    [{ key: NAME, root: 6 }],
    record(`sha256:${sha256(text)}`),
  );
  for (const blob of [text, ...others]) {
    const file = `io.containerd.content.v1.content/blobs/sha256/${sha256(blob)}`;
    store.files.set(file, Buffer.from(blob));
  }
  return store;
}

t.test("two images with the same record are refused", async (t) => {
  const { find } = storeWith(
    [{ key: "v1", root: 3 }],
    [{ key: "moby", root: 4 }],
    [{ key: "images", root: 5 }],
    [
      { key: NAME, root: 6 },
      { key: "docker.io/library/b:1", root: 6 },
    ],
    record(ID),
  );
  fails(t, () => find(), "STORE_DAMAGED", /page 6 is in it twice/);
});

t.test("two images of far-away names with the same record, too", async (t) => {
  const { find } = storeWith(
    [{ key: "v1", root: 3 }],
    [{ key: "moby", root: 4 }],
    [{ key: "images", root: 5 }],
    [
      { key: NAME, child: 6 },
      { key: "docker.io/library/b:1", child: 7 },
    ],
    [{ key: NAME, root: 8 }],
    [{ key: "docker.io/library/b:1", root: 8 }],
    record(ID),
  );
  fails(t, () => find(), "STORE_DAMAGED", /page 8 is in it twice/);
});

t.test("images of another namespace are not taken for Docker's", async (t) => {
  const { find } = storeWith(
    [{ key: "v1", root: 3 }],
    [
      { key: "k8s.io", root: 4 },
      { key: "moby", root: 5 },
    ],
    [{ key: "images", root: 6 }],
    [{ key: "images", root: 6 }],
    [{ key: NAME, root: 7 }],
    record(ID),
  );
  fails(t, () => find(), "STORE_DAMAGED", /page 6 is in it twice/);
});

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
  fails(t, () => find(), "IMAGE_MISSING", /nothing that it names was fetched/);
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
  fails(t, () => find(), "STORE_DAMAGED", /too deep in other indexes/);
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
  t.match(found, /an engine writes to it without a pause$/);
  t.end();
});

t.test("a file that shrinks while it is read is an error", (t) => {
  const file = path.join(t.testdir(), "file");
  fs.writeFileSync(file, Buffer.alloc(100));
  const { files } = createHost("/", createLog([]));
  const read = () =>
    files.withFile(file, 100, (opened) => {
      fs.truncateSync(file, 50);
      t.equal(opened.sizeBytes(), 50);
      opened.read(Buffer.alloc(60), 0);
    });
  fails(t, read, "FILE_UNREADABLE", /it ends at byte 50$/);
  const grow = () =>
    files.withFile(file, 100, (opened) => {
      fs.truncateSync(file, 101);
      opened.sizeBytes();
    });
  fails(t, grow, "FILE_UNREADABLE", /at most 100 make sense/);
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
    const { id, source } = store.find(parseImageReference(reference));
    return `${id} ${source}`;
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    return error.message;
  }
}
