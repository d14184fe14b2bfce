// runner: tier=first seconds=7
import fs from "fs-extra";
import path from "node:path";
import t, { type Test } from "tap";
import { startDockerEngine } from "../../../fixtures/docker-engine.ts";
import { mountDisk } from "../../../fixtures/loop-disk.ts";
import { run } from "../../../fixtures/run.ts";
import { makeSystemDisk } from "../../../fixtures/system-disk.ts";
import { compareListings, listTree } from "../../../fixtures/tree-listing.ts";
import { BootError, type ErrorCode } from "../../../runtime/base/errors.ts";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";
import { parseImageReference } from "../../../runtime/images/image-ref.ts";
import { openStore } from "../../../runtime/stores/open-store.ts";
import { makeScratch } from "../scratch.ts";

const METADATA = "image/btrfs";

const scratch = makeScratch(t, "store-damage");
const { file: diskFile, ids } = await makeSystemDisk(scratch);
const disk = await mountDisk(diskFile, path.join(scratch, "mnt"));
t.teardown(disk.close);
const id = ids["system:2"].slice("sha256:".length);
/** The leaf layer of system:2. */
const source = find("docker", "system:2").source;
const cacheId = path.basename(source);
const layer = path.dirname(
  (
    await run([
      ...["grep", "--recursive", "--files-with-matches", "--include=cache-id"],
      ...[cacheId, path.join(disk.mountPoint, "docker", METADATA)],
    ])
  ).split("/docker/")[1] ?? "",
);

let copies = 0;

await t.test("a copy of the store without damage is a store", async (t) => {
  const store = await copyStore();
  t.equal(
    find(store.name, "system:2").source,
    `${store.name}/btrfs/subvolumes/${cacheId}`,
  );
});

await t.test("a cache ID as BuildKit makes them is one", async (t) => {
  const store = await copyStore();
  const buildKitId = "k3ab0x9c2m1t8z7q6w5e4r3u2";
  fs.renameSync(
    store.at(`btrfs/subvolumes/${cacheId}`),
    store.at(`btrfs/subvolumes/${buildKitId}`),
  );
  store.write(`${layer}/cache-id`, buildKitId);
  t.equal(path.basename(find(store.name, "system:2").source), buildKitId);
});

for (const [what, change] of Object.entries<(text: string) => string>({
  "cut off": (text) => text.slice(0, -20),
  empty: () => "",
  "no object": () => "[1, 2]",
  "without its content": () => "{}",
  "of another form": () => `{"Repositories":{"system":["system:2"]}}`,
  "with an ID that is a path": () =>
    `{"Repositories":{"system":{"system:2":"sha256:../../../../etc/passwd"}}}`,
})) {
  const file = `${METADATA}/repositories.json`;
  await t.test(`repositories.json ${what} is damage`, async (t) => {
    const store = await copyStore();
    store.write(file, change(store.read(file)));
    refuses(t, store.name, "STORE_DAMAGED", [file]);
  });
}

await t.test("a repositories.json that is gone is damage", async (t) => {
  const store = await copyStore();
  fs.removeSync(store.at(`${METADATA}/repositories.json`));
  refuses(t, store.name, "STORE_DAMAGED", [
    `${METADATA}/repositories.json`,
    "absent",
  ]);
});

await t.test(
  "an image's configuration that was changed is damage",
  async (t) => {
    const file = `${METADATA}/imagedb/content/sha256/${id}`;
    const store = await copyStore();
    store.write(file, store.read(file).replace("second", "changed"));
    refuses(t, store.name, "STORE_DAMAGED", [file, "another sha256"]);
    store.write(file, "");
    refuses(t, store.name, "STORE_DAMAGED", [file, "0 bytes"]);
  },
);

await t.test("an image's configuration that is gone is damage", async (t) => {
  const file = `${METADATA}/imagedb/content/sha256/${id}`;
  const store = await copyStore();
  fs.removeSync(store.at(file));
  refuses(t, store.name, "STORE_DAMAGED", [file, "absent"]);
});

await t.test(
  "a layer with another diff ID than the image's is damage",
  async (t) => {
    const store = await copyStore();
    store.write(`${layer}/diff`, `sha256:${"0".repeat(64)}`);
    refuses(t, store.name, "STORE_DAMAGED", [`${layer}/diff`, "0000"]);
  },
);

for (const hostile of [
  "../../../../../etc",
  "..",
  "",
  `${cacheId}\n`,
  `${cacheId.slice(1)}/`,
  cacheId.toUpperCase(),
  `${cacheId}-init`,
]) {
  await t.test(
    `the cache ID ${JSON.stringify(hostile)} is refused`,
    async (t) => {
      const store = await copyStore();
      store.write(`${layer}/cache-id`, hostile);
      refuses(t, store.name, "STORE_DAMAGED", [`${layer}/cache-id`]);
    },
  );
}

await t.test("a layer that is not in the store is told", async (t) => {
  const store = await copyStore();
  fs.removeSync(store.at(layer));
  refuses(t, store.name, "SOURCE_MISSING", [layer, ids["system:2"]]);
});

for (const [what, replace] of Object.entries<(place: string) => unknown>({
  "nothing is": () => undefined,
  "a plain directory is": (place) => {
    fs.mkdirSync(place);
  },
  "a file is": (place) => {
    fs.writeFileSync(place, "");
  },
  "a link to another subvolume is": (place) => {
    fs.symlinkSync(disk.mountPoint, place);
  },
})) {
  await t.test(
    `a layer where ${what} in the subvolume's place is told`,
    async (t) => {
      const store = await copyStore();
      const place = store.at(`btrfs/subvolumes/${cacheId}`);
      await run(["btrfs", "subvolume", "delete", place]);
      replace(place);
      refuses(t, store.name, "SOURCE_MISSING", [cacheId, "no subvolume"]);
    },
  );
}

await t.test("a store that is not there is told, with what is", async (t) => {
  refuses(t, "nowhere/docker", "STORE_MISSING", ["nowhere/docker", "docker"]);
  fs.mkdirSync(path.join(disk.mountPoint, "empty"));
  refuses(t, "empty", "STORE_MISSING", ["empty"]);
  fs.mkdirpSync(path.join(disk.mountPoint, "photos/2024"));
  refuses(t, "photos", "STORE_MISSING", ["photos", "2024"]);
  fs.writeFileSync(path.join(disk.mountPoint, "file"), "");
  refuses(t, "file", "STORE_MISSING", ["file", "is not a directory"]);
  refuses(t, source, "STORE_MISSING", [source]);
});

for (const storageDriver of ["overlay2", "vfs"]) {
  await t.test(
    `a store of docker's ${storageDriver} is told apart`,
    async (t) => {
      const engine = await startDockerEngine({
        dataRoot: path.join(disk.mountPoint, storageDriver),
        scratchDir: path.join(scratch, storageDriver),
        storageDriver,
      });
      t.teardown(engine.stop);
      const tar = path.join(scratch, "none.tar");
      await run([
        "tar",
        "--create",
        "--file",
        tar,
        "--files-from",
        "/dev/null",
      ]);
      await engine.docker(["import", tar, "system:2"]);
      await engine.stop();
      refuses(t, storageDriver, "STORE_UNSUPPORTED", [storageDriver]);
    },
  );
}

await t.test("a fresh store without any image has none", async (t) => {
  const engine = await startDockerEngine({
    dataRoot: path.join(disk.mountPoint, "fresh"),
    scratchDir: path.join(scratch, "fresh"),
  });
  t.teardown(engine.stop);
  await engine.stop();
  refuses(t, "fresh", "IMAGE_MISSING", ["fresh"]);
});

/** A store of its own with the metadata of the real one, and a snapshot of the layer that is looked for. */
async function copyStore() {
  copies += 1;
  const name = `copy-${String(copies)}`;
  const at = (file: string) => path.join(disk.mountPoint, name, file);
  fs.copySync(path.join(disk.mountPoint, "docker/image"), at("image"));
  fs.mkdirpSync(at("btrfs/subvolumes"));
  await run([
    ...["btrfs", "subvolume", "snapshot"],
    ...[path.join(disk.mountPoint, source), at(`btrfs/subvolumes/${cacheId}`)],
  ]);
  return {
    name,
    at,
    read: (file: string) => fs.readFileSync(at(file), "utf8"),
    write: (file: string, text: string) => {
      fs.writeFileSync(at(file), text);
    },
  };
}

function find(store: string, text: string) {
  const host = createHost("/", createLog([]));
  const location = { host, topLevel: disk.mountPoint, path: store };
  return openStore(location).find(parseImageReference(text));
}

/** The error says the words, and what to do; nothing on the disk has changed. */
function refuses(
  t: Test,
  store: string,
  code: ErrorCode,
  words: readonly string[],
): void {
  const options = { contents: false, changeTimes: true };
  const before = listTree(disk.mountPoint, options);
  try {
    find(store, "system:2");
    t.fail(`${store} was accepted`);
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    const cause = error.cause instanceof Error ? error.cause.message : "";
    const said = `${error.message}; ${cause}`;
    t.equal(error.code, code, said);
    for (const word of words) t.ok(said.includes(word), `says ${word}`);
    t.ok(error.hint, "says what to do");
  }
  const after = listTree(disk.mountPoint, options);
  t.strictSame(compareListings(after, before), [], "nothing is changed");
}
