import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { createHost, type Host } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";
import type { StoreLocation } from "../../../runtime/stores/store.ts";
import { asFile } from "./bolt-databases.ts";

const CAPTURED = path.join(
  import.meta.dirname,
  "../../../fixtures/captured/containerd-1.7.24-databases",
);
export const META = "io.containerd.metadata.v1.bolt/meta.db";
export const SNAPSHOTTER = "io.containerd.snapshotter.v1.btrfs/metadata.db";
const SUBVOLUMES = "io.containerd.snapshotter.v1.btrfs/snapshots";
const BLOBS = "io.containerd.content.v1.content/blobs/sha256";

/** A containerd's directory whose files are in memory; `files` may be changed. */
export interface MemoryStore {
  readonly files: Map<string, Buffer>;
  readonly location: StoreLocation;
}

/** The databases that a real containerd left, before its last changes or after them. */
export function readCaptured(when: "former" | "last"): {
  meta: Buffer;
  snapshotter: Buffer;
} {
  const read = (name: string) =>
    gunzipSync(readFileSync(path.join(CAPTURED, when, `${name}.gz`)));
  return { meta: read("meta.db"), snapshotter: read("metadata.db") };
}

/** What docker listed: names with their IDs. */
export function capturedImages(): { name: string; id: string }[] {
  return readFileSync(path.join(CAPTURED, "images.tsv"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => line.split("\t"))
    .map(([name = "", id = ""]) => ({ name, id }));
}

export function openMemoryStore(): MemoryStore {
  const files = new Map<string, Buffer>();
  const { meta, snapshotter } = readCaptured("last");
  files.set(META, meta);
  files.set(SNAPSHOTTER, snapshotter);
  for (const blob of globSync("*", { cwd: path.join(CAPTURED, "blobs") })) {
    files.set(
      `${BLOBS}/${blob}`,
      readFileSync(path.join(CAPTURED, "blobs", blob)),
    );
  }
  const subvolumes = new Set(
    readFileSync(path.join(CAPTURED, "subvolumes.txt"), "utf8")
      .trimEnd()
      .split("\n")
      .map((id) => `${SUBVOLUMES}/${id}`),
  );
  const host = memoryHost(files, subvolumes);
  return { files, location: { host, topLevel: "/top", path: "containerd" } };
}

/** What is faked: all of the filesystem. The root rung has real ones. */
function memoryHost(
  files: ReadonlyMap<string, Buffer>,
  subvolumes: ReadonlySet<string>,
): Host {
  const host = createHost("/", createLog([]));
  const directories = new Set([""]);
  for (const name of [...files.keys(), ...subvolumes]) {
    for (let up = path.dirname(name); up !== "."; up = path.dirname(up)) {
      directories.add(up);
    }
  }
  const nameOf = (file: string | Buffer) =>
    String(file).replace(/^\/top\/containerd\/?/, "");
  const directory = host.files.statusOf("/");
  const file = host.files.statusOf(import.meta.filename);
  if (directory === undefined || file === undefined) throw new Error("no /");
  return {
    ...host,
    architecture: "x64",
    files: {
      ...host.files,
      statusOf: (place) => {
        const name = nameOf(place);
        if (subvolumes.has(name)) return { ...directory, inode: 256 };
        if (files.has(name)) return file;
        return directories.has(name) || name === "/top" ? directory : undefined;
      },
      namesIn: (place) =>
        [...directories]
          .filter((name) => path.dirname(name) === nameOf(place))
          .map((name) => path.basename(name)),
      readBytes: (place) => files.get(nameOf(place)),
      withFile: (place, _maxBytes, work) => {
        const bytes = files.get(nameOf(place));
        return bytes === undefined ? undefined : work(asFile(bytes));
      },
    },
  };
}
