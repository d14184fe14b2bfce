import fs from "node:fs";
import path from "node:path";
import t from "tap";
import { HelperError } from "../../../runtime/base/errors.ts";
import { Disk } from "../../../runtime/disk/disk.ts";
import { collectGarbage } from "../../../runtime/disk/garbage/collect-garbage.ts";
import { createHost, type Host } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";

const uuid = (digit: number) =>
  `7e9c696a-e6ef-be4d-916b-86d63c3af96${String(digit)}`;

const line = (id: number, parentId: number, file: string) =>
  `ID ${String(id)} gen 9 cgen 9 top level ${String(parentId)} parent_uuid - uuid ${uuid(id % 10)} path ${file}\n`;

const GENERATIONS = ".dockroot/root/generations";

/**
 * btrfs is faked: no real one fails when it is told to. Each directory is a subvolume; generation 1 has
 * one in it, and cannot be deleted itself.
 */
function hostWhereDeletingFails(): Host {
  const real = createHost("/", createLog([]));
  const list = [
    line(256, 5, "root"),
    line(261, 5, `${GENERATIONS}/1`),
    line(262, 5, `${GENERATIONS}/2`),
    line(263, 261, `${GENERATIONS}/1/tmp`),
  ];
  const answer = (stdout: string) =>
    Promise.resolve({ exitCode: 0, stdout: Buffer.from(stdout) });
  return {
    ...real,
    files: {
      ...real.files,
      statusOf: (file) => {
        const status = real.files.statusOf(file);
        return status?.kind === "directory"
          ? { ...status, inode: 256, uid: 0 }
          : status;
      },
    },
    run: (argv) => {
      const [, , command, , id = ""] = argv;
      if (command === "list") return answer(list.join(""));
      if (command === "rootid") {
        return answer(`26${path.basename(argv[3] ?? "")}\n`);
      }
      return command === "delete" && id !== "261"
        ? answer("")
        : Promise.reject(new HelperError("exit", "btrfs exited with status 1"));
    },
  };
}

t.test("a root that is removed in part is never complete again", async (t) => {
  const top = t.testdir({
    ".dockroot": { root: { generations: { 1: { tmp: {} }, 2: {} } } },
  });
  const disk = new Disk(hostWhereDeletingFails(), top, "root");
  const record = {
    boot: 1,
    complete: true,
    source: "docker/btrfs/subvolumes/x",
    image: { reference: "demo:latest", id: "sha256:x" },
    toplayer: null,
  };
  const subvolumes = [6, 1, 2].map((digit) => ({
    ...record,
    uuid: uuid(digit),
  }));
  disk.writeState({ version: 2, rwlayer: "root", subvolumes });
  const boot = {
    result: "fresh",
    root: "root",
    rwlayer: "root",
    subvolumeUuid: uuid(6),
    isOverlay: false,
    layers: [],
    limits: { generations: 0, fallback: "last", helperTimeoutMs: 1000 },
  } as const;
  await collectGarbage(disk, boot, true);
  const left = disk.readState().subvolumes;
  t.strictSame(
    left.map((each) => [each.uuid, each.complete]).sort(),
    [
      [uuid(1), false],
      [uuid(6), true],
    ],
    "the next removal has written the state once more",
  );
  t.ok(fs.existsSync(`${top}/${GENERATIONS}/1`));
});
