import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { gatherCheckFacts } from "../../../installer/toplayer/gather-check-facts.ts";
import type { CheckFacts } from "../../../installer/toplayer/rules/check-facts.ts";
import { createHost, type Host } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";
import { listLayers } from "../../../runtime/toplayer/list-layer.ts";

const CAPTURED = path.join(import.meta.dirname, "../../../fixtures/captured");

interface Attributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Of a file that is larger than it is worth making. */
  readonly sizeBytes?: number;
}

/** A directory whose modes and owners are kept beside it: who runs the tests may not be root. */
export class Tree {
  readonly attributes = new Map<string, Attributes>();
  readonly at: string;
  constructor(at: string) {
    this.at = at;
    fs.mkdirSync(at, { recursive: true });
  }
  write(
    file: string,
    text: string | Buffer = "x\n",
    attributes: Partial<Attributes> = {},
  ) {
    this.makeWayTo(file);
    fs.writeFileSync(path.join(this.at, file), text);
    this.set(file, { mode: 0o644, uid: 0, gid: 0, ...attributes });
  }
  edit(file: string, change: (text: string) => string) {
    const whole = path.join(this.at, file);
    const text = change(fs.readFileSync(whole, "utf8"));
    fs.writeFileSync(whole, text);
  }
  directory(file: string, attributes: Partial<Attributes> = {}) {
    this.makeWayTo(`${file}/x`);
    this.set(file, attributes);
  }
  link(file: string, target: string) {
    this.makeWayTo(file);
    fs.symlinkSync(target, path.join(this.at, file));
  }
  fifo(file: string) {
    this.makeWayTo(file);
    execFileSync("mkfifo", [path.join(this.at, file)]);
  }
  remove(file: string) {
    fs.rmSync(path.join(this.at, file), { recursive: true });
  }
  set(file: string, attributes: Partial<Attributes>) {
    const whole = path.join(this.at, file);
    const former = this.attributes.get(whole);
    const usual = { mode: 0o755, uid: 0, gid: 0 };
    this.attributes.set(whole, { ...usual, ...former, ...attributes });
  }
  /** @returns takes back all that has changed here since */
  keep(): () => void {
    const kept = readTree(this.at);
    const attributes = [...this.attributes];
    return () => {
      const found = readTree(this.at);
      const isChanged = (file: string) =>
        found.get(file)?.content !== kept.get(file)?.content;
      for (const file of found.keys()) {
        if (isChanged(file)) fs.rmSync(file, { recursive: true, force: true });
      }
      for (const [file, { make }] of kept) {
        if (isChanged(file)) make();
      }
      this.attributes.clear();
      for (const [file, own] of attributes) this.attributes.set(file, own);
    };
  }
  private makeWayTo(file: string) {
    const parent = path.dirname(file);
    if (fs.existsSync(path.join(this.at, parent))) return;
    this.makeWayTo(parent);
    fs.mkdirSync(path.join(this.at, parent));
    this.set(parent, {});
  }
}

interface Kept {
  readonly content: string;
  readonly make: () => void;
}

/** What is below a directory, by absolute paths, each directory before what is in it. */
function readTree(at: string): Map<string, Kept> {
  const kept = new Map<string, Kept>();
  for (const entry of fs.readdirSync(at, { withFileTypes: true })) {
    const file = path.join(at, entry.name);
    kept.set(file, keep(file, entry));
    if (!entry.isDirectory()) continue;
    for (const [below, one] of readTree(file)) kept.set(below, one);
  }
  return kept;
}

function keep(file: string, entry: fs.Dirent): Kept {
  if (entry.isDirectory()) {
    return { content: "directory", make: () => fs.mkdirSync(file) };
  }
  if (entry.isSymbolicLink()) {
    const target = fs.readlinkSync(file);
    const make = () => fs.symlinkSync(target, file);
    return { content: `link: ${target}`, make };
  }
  if (entry.isFile()) {
    const bytes = fs.readFileSync(file);
    const make = () => fs.writeFileSync(file, bytes);
    return { content: `file: ${bytes.toString("latin1")}`, make };
  }
  return { content: "fifo", make: () => execFileSync("mkfifo", [file]) };
}

/** A copy of a captured machine that a test may change. */
export interface CapturedMachine {
  readonly image: Tree;
  /** Its top layers: the one that was captured, and one that is empty. */
  readonly layer: Tree;
  readonly second: Tree;
  /** The first layer's filesystem keeps neither owners nor modes. */
  isOwnerless: boolean;
}

/**
 * @param name of a directory that fixtures/capture-machines.ts has made
 * @param places of image and layer, below the scratch directory
 */
export function copyMachine(
  name: string,
  scratch: string,
  places = { image: "image", layer: "layer" },
): CapturedMachine {
  const copyTree = (of: "image" | "layer") => {
    const captured = path.join(CAPTURED, name, of);
    const tree = new Tree(path.join(scratch, places[of]));
    for (const line of fs
      .readFileSync(`${captured}.list`, "utf8")
      .split("\n")) {
      const found = /^(\d+) (\d+):(\d+) (.) (\S+) (.*)$/.exec(line);
      if (found === null) continue;
      const [, mode = "", uid, gid, type, file = "", target = ""] = found;
      if (type === "l") tree.link(file, target);
      else if (type === "d") tree.directory(file);
      else {
        const text = path.join(captured, file);
        tree.write(
          file,
          fs.existsSync(text) ? fs.readFileSync(text, "utf8") : "",
        );
      }
      tree.set(file, {
        mode: parseInt(mode, 8),
        uid: Number(uid),
        gid: Number(gid),
      });
    }
    return tree;
  };
  return {
    image: copyTree("image"),
    layer: copyTree("layer"),
    second: new Tree(path.join(scratch, "second")),
    isOwnerless: false,
  };
}

/** Gathers what `toplayer check` looks at. The kernel options are `root=LABEL=linux rootflags=subvol=docker_rwlayer`. */
export async function gatherMachine({
  image,
  layer,
  second,
  isOwnerless,
}: CapturedMachine): Promise<CheckFacts> {
  const host = hostOf([image, layer, second]);
  const places = [
    { at: layer.at, isOwnerless },
    { at: second.at, isOwnerless: false },
  ];
  const { layers } = await listLayers(host, places, "");
  const tree = { root: image.at, leaf: image.at };
  return gatherCheckFacts(host, layers, tree, {
    isOverlay: false,
    rwlayer: "docker_rwlayer",
    root: "LABEL=linux",
    cmdline: "root=LABEL=linux rd.luks.name=1-2=cryptroot",
  });
}

/** What blkid prints of the filesystems that are there. */
const FILESYSTEMS: Readonly<Record<string, string>> = {
  "LABEL=linux":
    "DEVNAME=/dev/vda2\nLABEL=linux\nUUID=11111111-1111-1111-1111-111111111111\nTYPE=btrfs\n",
  "LABEL=other":
    "DEVNAME=/dev/vda3\nLABEL=other\nUUID=22222222-2222-2222-2222-222222222222\nTYPE=btrfs\n",
};

function hostOf(trees: readonly Tree[]): Host {
  const host = createHost("/", createLog([]));
  const { files } = host;
  return {
    ...host,
    readText: (file, maxBytes) =>
      file === "/proc/partitions" ? "" : host.readText(file, maxBytes),
    run: (argv) => {
      const text = FILESYSTEMS[argv.at(-1) ?? ""] ?? "";
      return Promise.resolve({
        stdout: Buffer.from(text),
        exitCode: text === "" ? 2 : 0,
      });
    },
    files: {
      ...files,
      statusOf: (file) => {
        const status = files.statusOf(file);
        const own = trees
          .map(({ attributes }) => attributes.get(file.toString()))
          .find((attributes) => attributes !== undefined);
        return status === undefined ? undefined : { ...status, ...own };
      },
      readStart: (file, maxBytes) => {
        if (!file.toString().endsWith("unreadable")) {
          return files.readStart(file, maxBytes);
        }
        throw Object.assign(new Error("EIO: i/o error, read"), {
          code: "EIO",
          errno: -5,
          syscall: "read",
        });
      },
    },
  };
}
