import t from "tap";
import type { Host } from "../../../runtime/host/host.ts";
import { HelperError } from "../../../runtime/base/errors.ts";
import { Disk } from "../../../runtime/disk/disk.ts";
import { snapshotNested } from "../../../runtime/disk/subvolumes.ts";
import { hostWithSubvolumes } from "./host-with-subvolumes.ts";

/** btrfs is faked: no real one fails when it is told to. It lists one subvolume nested in `root`. */
function hostWhere(resolve: () => string): Host {
  const host = hostWithSubvolumes("nowhere");
  const { statusOf } = host.files;
  const root = statusOf("/");
  return {
    ...host,
    files: {
      ...host.files,
      statusOf: (file) =>
        file === "/top/root" && root !== undefined
          ? { ...root, inode: 256 }
          : statusOf(file),
    },
    run: (argv) => {
      const [, , command] = argv;
      const printed = {
        rootid: () => "256\n",
        list: () =>
          [
            "ID 256 gen 9 cgen 9 top level 5 parent_uuid - uuid 7e9c696a-e6ef-be4d-916b-86d63c3af960 path root\n",
            "ID 257 gen 9 cgen 9 top level 256 parent_uuid - uuid 7e9c696a-e6ef-be4d-916b-86d63c3af961 path root/nested\n",
          ].join(""),
        "subvolid-resolve": resolve,
      }[command ?? ""];
      if (printed === undefined) return Promise.reject(new Error(command));
      const answer = async () => ({
        exitCode: 0,
        stdout: Buffer.from(await Promise.resolve(printed())),
      });
      return answer();
    },
  };
}

function diskOf(host: Host): Disk {
  return new Disk(host, "/top", "root");
}

function failWith(said: string): () => never {
  return () => {
    throw new HelperError("exit", `btrfs exited with status 1: ${said}`);
  };
}

t.test("a number of the list that no subvolume has is forged", async (t) => {
  // As btrfs-progs 6.2, 6.14 and 7.1 say it.
  const host = hostWhere(
    failWith(
      "failed to lookup subvol_id 257!; ERROR: resolving subvolid 257 error -2",
    ),
  );
  await t.resolves(snapshotNested(diskOf(host), "root", "staging"));
});

t.test("where btrfs fails, no nested subvolume is left out", async (t) => {
  for (const said of [
    "ERROR: resolving subvolid 257 error -5",
    "ERROR: cannot access '/top': Input/output error",
    "",
  ]) {
    await t.rejects(
      snapshotNested(diskOf(hostWhere(failWith(said))), "root", "staging"),
      HelperError,
      said,
    );
  }
});
