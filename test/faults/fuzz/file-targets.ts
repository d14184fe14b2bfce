import fs from "fs-extra";
import path from "node:path";
import {
  describeFailure,
  formatFailure,
} from "../../../runtime/base/failure.ts";
import { BootError } from "../../../runtime/base/errors.ts";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";
import { parseImageReference } from "../../../runtime/images/image-ref.ts";
import { Disk } from "../../../runtime/disk/disk.ts";
import { sha256 } from "../../../runtime/base/sha256.ts";
import { readOciImage } from "../../../runtime/stores/containerd/oci-image.ts";
import { openStore } from "../../../runtime/stores/open-store.ts";
import { StoreFiles } from "../../../runtime/stores/store-files.ts";
import { openMemoryStore } from "../../unit/stores/memory-store.ts";
import { check, checkPrintable } from "./check.ts";
import type { Target } from "./target.ts";

const CAPTURED = path.join(import.meta.dirname, "../../../fixtures/captured");

const HEX = "0123456789abcdef".repeat(4);

/** state.json, through what reads it from a disk. */
export function stateTarget(directory: string): Target {
  const host = createHost("/", createLog([]));
  const disk = new Disk(host, directory, "x");
  fs.mkdirpSync(disk.at(disk.paths.directory));
  const file = disk.at(disk.paths.state);
  disk.writeState(disk.readState());
  const empty = fs.readFileSync(file, "utf8");
  const record = `{"uuid":"9ceff34e-03b1-3d48-89a7-339f7fd60aa1","boot":1,"complete":true,"source":"docker/btrfs/subvolumes/x","image":{"reference":"x:1","id":"sha256:${HEX}"},"toplayer":null}`;
  return {
    name: "state.json",
    samples: [empty, empty.replace("[]", `[${record}]`)],
    parse: (text) => {
      fs.writeFileSync(file, text);
      const { subvolumes } = disk.readState();
      for (const { uuid } of subvolumes) {
        check(typeof uuid === "string", "a record without a UUID");
      }
    },
  };
}

/** The captured store of a real dockerd, one of its files changed. */
export function dockerTarget(directory: string): Target {
  fs.copySync(
    path.join(CAPTURED, "docker-20.10.24-btrfs/image"),
    path.join(directory, "store/image"),
  );
  return storeTarget(
    "docker's store",
    directory,
    "image/btrfs/{repositories.json,imagedb/content/sha256/*,layerdb/sha256/*/{diff,cache-id}}",
    ["many:1", "one:1", "mony", "beef"],
  );
}

/** As `dockerTarget`, of a real podman. */
export function podmanTarget(directory: string): Target {
  fs.copySync(
    path.join(CAPTURED, "podman-4.3.1-btrfs/store"),
    path.join(directory, "store"),
  );
  return storeTarget(
    "podman's store",
    directory,
    "btrfs-{images/images.json,images/*/{manifest,=c2hhMjU2*},layers/layers.json}",
    ["many:1", "x/one:v2", "both:1", "multi:1", "mony", "beef"],
  );
}

function storeTarget(
  name: string,
  directory: string,
  pattern: string,
  references: readonly string[],
): Target {
  const files = fs
    .globSync(path.join("store", pattern), { cwd: directory })
    .sort()
    .map((file) => path.join(directory, file));
  const contents = files.map((file) => fs.readFileSync(file, "utf8"));
  const host = createHost("/", createLog([]));
  const location = { host, topLevel: directory, path: "store" };
  return {
    name,
    samples: [contents[0] ?? "", ...contents.slice(1)],
    parse: (text, random) => {
      const index = random.below(files.length);
      const file = files[index] ?? "";
      fs.writeFileSync(file, text);
      try {
        for (const reference of references) {
          refuses(() =>
            openStore(location).findRoot(parseImageReference(reference)),
          );
        }
      } finally {
        fs.writeFileSync(file, contents[index] ?? "");
      }
    },
  };
}

/** The manifest or index of an image in a containerd's store, under the digest that it then has. */
export function manifestTarget(): Target {
  const { files, location } = openMemoryStore();
  const directory = "io.containerd.content.v1.content/blobs";
  const samples = [...files]
    .filter(([name]) => name.startsWith(directory))
    .map(([, bytes]) => bytes.toString("utf8"));
  const digests = samples.map((text) => `"sha256:${sha256(text)}"`);
  const index = `{"manifests":[{"digest":${digests.join('},{"digest":')},"platform":{"os":"linux","architecture":"amd64"}}]}`;
  return {
    name: "a manifest",
    samples: [index, ...samples],
    parse: (text) => {
      const digest = sha256(text);
      const file = `${directory}/sha256/${digest}`;
      const former = files.get(file);
      files.set(file, Buffer.from(text));
      try {
        const id = `sha256:${digest}` as const;
        const image = readOciImage(new StoreFiles(location), id);
        check(image.diffIds.length > 0, "an image without layers");
      } finally {
        if (former === undefined) files.delete(file);
        else files.set(file, former);
      }
    },
  };
}

/** There are no subvolumes: each reference ends in an error, of our kind. */
function refuses(find: () => unknown): void {
  try {
    find();
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    check(error.hint !== undefined, `no hint: ${error.message}`);
    const text = formatFailure(describeFailure(error));
    check(text.length < 10_000, "a message of a page");
    checkPrintable(text);
    return;
  }
  throw new Error("an image was found whose layers are not there");
}
