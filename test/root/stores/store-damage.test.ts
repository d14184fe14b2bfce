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

const scratch = makeScratch(t, "store-damage");
const { file: diskFile } = await makeSystemDisk(scratch);
const disk = await mountDisk(diskFile, path.join(scratch, "mnt"));
t.teardown(disk.close);
/** The leaf layer of system:2. */
const source = find("docker", "system:2").source;
const cacheId = path.basename(source);
// What needs a real btrfs or a real engine; test/unit/stores and test/faults/damaged-stores.test.ts damage the
// files of a store.

let copies = 0;

await t.test("a copy of the store without damage is a store", async (t) => {
  const store = await copyStore();
  t.equal(
    find(store.name, "system:2").source,
    `${store.name}/btrfs/subvolumes/${cacheId}`,
  );
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
  return { name, at };
}

function find(store: string, text: string) {
  const host = createHost("/", createLog([]));
  const location = { host, topLevel: disk.mountPoint, path: store };
  return openStore(location).findRoot(parseImageReference(text));
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
