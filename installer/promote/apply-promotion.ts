import path from "node:path";
import { bytesOf } from "../../runtime/tree/layer.ts";
import type { Host } from "../../runtime/host/host.ts";
import { inBatches } from "../diff/batches.ts";
import type { TreePair } from "../diff/compare-trees.ts";
import { mergeLines } from "./plan/merge-lines.ts";
import type { Promotion } from "./plan/plan-promotion.ts";

const MAX_ACCOUNT_BYTES = 16 * 1024 * 1024;

/**
 * Does to a top layer what is planned.
 * @param trees what init got, and what has become of it
 * @param layer absolute; nobody else uses it
 * @throws HelperError, and what the system says
 */
export async function applyPromotion(
  host: Host,
  { before, after }: TreePair,
  layer: string,
  { remove, copy, merge, attributes, whiteouts }: Promotion,
): Promise<void> {
  const { files } = host;
  const touched = new Set<string>();
  const makeParents = (file: string) => {
    for (const directory of ancestorsOf(file)) {
      touched.add(directory);
      makeDirectory(host, after, layer, directory);
    }
  };
  for (const file of remove) {
    files.removeTree(bytesOf(layer, file));
    makeParents(file);
  }
  for (const file of copy) makeParents(file);
  for (const batch of inBatches(copy)) {
    await host.run(
      [
        ...["cp", "--archive", "--parents", "--reflink=auto"],
        ...["--remove-destination", "--"],
        ...[...batch.map((file) => `./${decode(file)}`), layer],
      ],
      { directory: after },
    );
  }
  for (const file of merge) {
    const read = (tree: string) =>
      files
        .readBytes(path.join(tree, file), MAX_ACCOUNT_BYTES)
        ?.toString("latin1") ?? "";
    const text = mergeLines(read(before), read(after), read(layer));
    const {
      mode = 0o600,
      uid = 0,
      gid = 0,
    } = files.statusOf(path.join(after, file)) ?? {};
    files.writeFile(
      path.join(layer, file),
      { text: Buffer.from(text, "latin1") },
      { mode, uid, gid, durable: "nothing" },
    );
    makeParents(file);
  }
  for (const directory of attributes) {
    makeParents(directory);
    makeDirectory(host, after, layer, directory);
    touched.add(directory);
  }
  for (const file of whiteouts) {
    makeParents(file);
    const name = `.wh.${decode(path.posix.basename(file))}`;
    const whiteout = path.join(layer, decode(path.posix.dirname(file)), name);
    files.writeFile(
      whiteout,
      { text: "" },
      { mode: 0o644, durable: "nothing" },
    );
  }
  // What was made in them has changed their times; the deepest come first.
  for (const directory of [...touched].sort().toReversed()) {
    const from = path.join(after, decode(directory));
    if (files.statusOf(from)?.kind !== "directory") continue;
    const to = path.join(layer, decode(directory));
    files.copyOwnerModeTimes(from, to);
    // Node sets no nanoseconds.
    await host.run(["touch", `--reference=${from}`, "--", to]);
  }
}

/** With owner and mode of the root's; what is there stays. */
function makeDirectory(
  host: Host,
  root: string,
  layer: string,
  directory: string,
): void {
  const at = path.join(layer, decode(directory));
  if (host.files.statusOf(at) !== undefined) return;
  host.files.createDirectory(at, 0o700);
  host.files.copyOwnerModeTimes(path.join(root, decode(directory)), at);
}

/** The highest first. */
function ancestorsOf(file: string): string[] {
  const names = file.split("/").slice(0, -1);
  return names.map((_, index) => names.slice(0, index + 1).join("/"));
}

function decode(file: string): string {
  return Buffer.from(file, "latin1").toString("utf8");
}
