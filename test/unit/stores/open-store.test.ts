import fs from "fs-extra";
import path from "node:path";
import t from "tap";
import { BootError, type ErrorCode } from "../../../runtime/base/errors.ts";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";
import { parseImageReference } from "../../../runtime/images/image-ref.ts";
import type { StoreKind } from "../../../runtime/options/table.ts";
import { StoreFiles } from "../../../runtime/stores/store-files.ts";
import { requireSubvolume } from "../../../runtime/stores/stored-tree.ts";
import {
  chooseAnswers,
  type Answer,
} from "../../../runtime/stores/find-image.ts";
import { storeUnsupported } from "../../../runtime/stores/formats/store-unsupported.ts";
import { openStore } from "../../../runtime/stores/open-store.ts";
import { hostWithSubvolumes } from "../disk/host-with-subvolumes.ts";
import { fails } from "../fails.ts";
import { copyStore, DOCKER } from "./captured-stores.ts";

// Which stores are in a directory, which of several answers counts, and of which a root can be made.

function storeIn(directory: string) {
  const host = createHost("/", createLog([]));
  const location = { host, topLevel: directory, path: "docker" };
  return {
    find: (text: string) =>
      openStore(location).findRoot(parseImageReference(text)),
  };
}

t.test("the way to btrfs begins with the directory on one", async (t) => {
  for (const engine of ["docker", "containerd", "podman"] as const) {
    t.match(storeUnsupported("docker", engine, "a driver", true), {
      hint: /is not on the btrfs, .*mount a subvolume there; .* load --input/,
    });
  }
});

t.test("what is not there is not to be moved over", (t) => {
  for (const engine of ["docker", "containerd", "podman"] as const) {
    const missing = new BootError("IMAGE_MISSING", "it is not there");
    for (const [hasLayers, way] of [
      [true, /^Leave subvol= out .* mount a subvolume there; .*/],
      [false, /overlay.*/],
    ] as const) {
      const { hint, cause } = storeUnsupported(
        ...(["x", engine, "a driver", hasLayers, missing] as const),
      );
      t.match(hint, way);
      t.match(hint, /; (?:docker|podman) pull NAME\.$/);
      t.notMatch(hint, /save|load|create/);
      t.equal(cause, missing);
    }
  }
  const store = copyStore(t, DOCKER);
  fs.moveSync(store.file("image/btrfs"), store.file("image/overlay2"));
  const gone = () => store.findRoot("gone:1");
  t.throws(gone, { code: "STORE_UNSUPPORTED", hint: /docker pull NAME\.$/ });
  const there = () => store.findRoot("many:1");
  t.throws(there, { code: "STORE_UNSUPPORTED", hint: /docker load/ });
  t.end();
});

t.test("stores of other kinds are named, with what to do", async (t) => {
  const cases: [string, ErrorCode, RegExp][] = [
    ["image/overlay2/layerdb", "STORE_UNSUPPORTED", /overlay2/],
    ["image/zfs/layerdb", "STORE_UNSUPPORTED", /zfs/],
    ["something", "STORE_MISSING", /it holds: something/],
    ["", "STORE_MISSING", /it is empty/],
    ["engine-id", "STORE_MISSING", /in the store of a separate containerd/],
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

t.test("who names Docker means the driver of which roots are made", (t) => {
  const store = copyStore(t, DOCKER);
  const location = {
    host: hostWithSubvolumes("docker/btrfs/subvolumes"),
    topLevel: path.dirname(store.file("")),
    path: "docker",
  };
  const image = parseImageReference("many:1");
  fs.copySync(store.file("image/btrfs"), store.file("image/overlay2"));
  t.strictSame(openStore(location).find(image), store.find("many:1"));
  const names = store.file("image/overlay2/repositories.json");
  const id = store.idOf("one:1");
  fs.writeJsonSync(names, { Repositories: { many: { "many:1": id } } });
  fails(t, () => openStore(location).find(image), "STORE_AMBIGUOUS");
  const found = openStore(location, "graphdriver").find(image);
  t.equal(found.id, store.idOf("many:1"));
  t.end();
});

const reference = parseImageReference("system:1");

const idOf = (digit: string) => `sha256:${digit.repeat(64)}` as const;

const unused = () => {
  throw new Error("a choice asks nothing more");
};

const readerOf = (kind: StoreKind) => ({
  kind,
  name: `the ${kind}`,
  treeKinds: unused,
  explainUnsupported: unused,
  listIds: unused,
  listNames: unused,
  findNamed: unused,
  readImage: unused,
  findTree: unused,
  listLayers: unused,
});

const found = (kind: StoreKind, id: string, config: string): Answer => ({
  reader: readerOf(kind),
  image: {
    id: idOf(id),
    configId: idOf(config),
    diffIds: [idOf("d")],
    architecture: "amd64",
  },
});

const failed = (
  kind: StoreKind,
  code: "IMAGE_MISSING" | "STORE_DAMAGED",
): Answer => ({
  reader: readerOf(kind),
  error: new BootError(code, "the reason", {
    cause: new Error("and its cause"),
    hint: "What to do.",
  }),
});

const choose = (...answers: Answer[]) =>
  chooseAnswers(reference, "docker", answers).map(({ reader }) => reader.kind);

t.test("stores that have the same image agree, whatever its ID", async (t) => {
  const concurrently = [
    found("graphdriver", "1", "1"),
    found("containerd", "2", "1"),
  ];
  t.strictSame(choose(...concurrently), ["graphdriver", "containerd"]);
});

t.test("one store that has it is enough, if the other lacks it", async (t) => {
  t.strictSame(
    choose(
      failed("graphdriver", "IMAGE_MISSING"),
      found("containerd", "2", "1"),
    ),
    ["containerd"],
  );
});

t.test("different images are not chosen from: both are named", async (t) => {
  const differ = () =>
    choose(found("graphdriver", "1", "1"), found("containerd", "2", "3"));
  t.throws(differ, {
    code: "STORE_AMBIGUOUS",
    message: /2 image stores in docker, and they disagree on system:1/,
    cause: {
      message:
        /^the graphdriver: 111111111111; the containerd: 222222222222 \(its configuration is 333333333333\)$/,
    },
    hint: /dockroot\.store=graphdriver or dockroot\.store=containerd\. Docker uses containerd's where docker info/,
  });
});

t.test("one engine's drivers are told apart by its own program", async (t) => {
  const differ = (kind: StoreKind) => () =>
    choose(found(kind, "1", "1"), found(kind, "2", "2"));
  const code = "STORE_AMBIGUOUS";
  const hint = (engine: string) => new RegExp(`\\. ${engine} info shows`);
  t.throws(differ("graphdriver"), { code, hint: hint("docker") });
  t.throws(differ("podman"), { code, hint: hint("podman") });
});

t.test("a store that cannot be read may have another image", async (t) => {
  const unknown = () =>
    choose(
      found("graphdriver", "1", "1"),
      failed("containerd", "STORE_DAMAGED"),
    );
  t.throws(unknown, {
    code: "STORE_AMBIGUOUS",
    cause: { message: /the containerd: the reason \(and its cause\)$/ },
  });
});

t.test("an image that none has is missing, with what each has", async (t) => {
  const none = () =>
    choose(
      failed("graphdriver", "IMAGE_MISSING"),
      failed("podman", "IMAGE_MISSING"),
    );
  t.throws(none, {
    code: "IMAGE_MISSING",
    message: /system:1 is in none of the stores in docker/,
    cause: { message: /the graphdriver: the reason .*; the podman: / },
    hint: "What to do.",
  });
});

const ID = `sha256:${"1".repeat(64)}` as const;

/**
 * A store whose directories are there only in what is said of them: the tree's is a subvolume.
 * @param owners of the store's directory, and of the tree's
 */
function storeWith(
  store: string,
  owners: { store: number; tree: number },
): { files: StoreFiles; source: string } {
  const source = path.join(store, "btrfs/subvolumes/top");
  const host = createHost("/", createLog([]));
  const kind = "directory" as const;
  const status = { kind, inode: 256, mode: 0o755, gid: 0, sizeBytes: 0 };
  const statusOf = (file: string | Buffer) => ({
    ...status,
    uid: String(file).endsWith("/top") ? owners.tree : owners.store,
  });
  return {
    files: new StoreFiles({
      host: { ...host, files: { ...host.files, statusOf } },
      topLevel: "/disk",
      path: store,
    }),
    source,
  };
}

function find({ files }: ReturnType<typeof storeWith>): string {
  return requireSubvolume(files, ID, "btrfs/subvolumes", "top").source;
}

t.test("no root is made of what Docker keeps for userns-remap", async (t) => {
  const store = storeWith("docker/100000.100001", { store: 0, tree: 100000 });
  fails(
    t,
    () => find(store),
    "STORE_UNSUPPORTED",
    /docker\/100000\.100001 root's files belong to the user 100000/,
  );
});

t.test("no root is made of an ordinary user's store", async (t) => {
  const store = storeWith("home/me/store", { store: 1000, tree: 1000 });
  fails(t, () => find(store), "STORE_UNSUPPORTED", /to the user 1000/);
});

t.test("an image's root directory may belong to somebody", async (t) => {
  for (const name of ["docker", "docker/5.5", "1000.d/docker"]) {
    const store = storeWith(name, { store: 0, tree: 1000 });
    t.equal(find(store), store.source);
  }
});

t.test("root's files may be in a store that is somebody's", async (t) => {
  const store = storeWith("docker/100000.100000", { store: 1000, tree: 0 });
  t.equal(find(store), store.source);
});
