import path from "node:path";
import t from "tap";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";
import { findSubvolume } from "../../../runtime/stores/find-subvolume.ts";
import { StoreFiles } from "../../../runtime/stores/store-files.ts";
import { fails } from "../fails.ts";

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
  return findSubvolume(files, ID, "btrfs/subvolumes", "top").path;
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
