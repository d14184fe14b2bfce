import path from "node:path";
import fs from "fs-extra";
import { giveOddAttributes } from "../../../fixtures/odd-attributes.ts";
import { run } from "../../../fixtures/run.ts";
import { makeSocket } from "../../faults/odd-files.ts";
import {
  CASES,
  IMAGE_KINDS,
  type ImageKind,
  type LayerKind,
} from "./toplayer-case-table.ts";

/** The entry of a case, in its directory. */
export const ENTRY = "entry";
/** What the image's symlink to a directory leads to. */
export const TARGET = "target";

export const layerKinds = Object.keys(CASES) as LayerKind[];

/** What makes the image's entry, in the case's directory. */
const IMAGE_ENTRIES: Readonly<Record<ImageKind, string>> = {
  nothing: "",
  "a file": "echo image >entry; ln entry partner",
  "a directory":
    "mkdir -p entry/sub; echo image >entry/both; echo image >entry/image; echo image >entry/sub/image",
  "a symlink to a file": "ln -s target-file entry",
  "a symlink to a directory": "ln -s target entry",
  "a dangling symlink": "ln -s no/where entry",
  "a looping symlink": "ln -s loop entry; ln -s entry loop",
  "a FIFO": "mkfifo entry",
};

/** What the image has beside it in each case. */
const IMAGE_REST = `
mkdir -p target/sub; echo image >target/both; echo image >target/image; echo image >target/sub/image
echo image >target-file
`;

const LAYER_ENTRIES: Readonly<Record<LayerKind, string>> = {
  "a file": "echo layer >entry",
  "a directory":
    "mkdir -p entry/sub; echo layer >entry/both; echo layer >entry/layer; echo layer >entry/sub/layer",
  "a symlink": "ln -s /etc/hostname entry",
  "a hard link": "echo layer >entry; ln entry another-name",
  "a FIFO": "mkfifo entry",
  "a device": "mknod entry b 7 99",
  "a socket": 'cp --archive "$SOCKET" entry',
  "a whiteout": ": >.wh.entry",
};

/** A directory for each case, relative to the cases' own. */
export function caseDirectory(layer: LayerKind, image: ImageKind): string {
  return `${layer}/${image}`;
}

/** Makes the image's side of all cases. */
export async function makeImageCases(directory: string): Promise<void> {
  for (const [index, kind] of IMAGE_KINDS.entries()) {
    const template = path.join(directory, "template");
    await makeTree(template, `${IMAGE_ENTRIES[kind]}${IMAGE_REST}`, {});
    await giveOddAttributes(template, 1000 + 100 * index);
    for (const layer of layerKinds) {
      await copyTo(template, `${directory}/${caseDirectory(layer, kind)}`);
    }
    fs.removeSync(template);
  }
}

/** Makes the top layer's side of all cases. */
export async function makeLayerCases(
  directory: string,
  scratch: string,
): Promise<void> {
  const socket = path.join(scratch, "socket");
  await makeSocket(socket);
  for (const [index, kind] of layerKinds.entries()) {
    const template = path.join(directory, "template");
    await makeTree(template, LAYER_ENTRIES[kind], { SOCKET: socket });
    await giveOddAttributes(template, 5000 + 100 * index);
    for (const image of IMAGE_KINDS) {
      await copyTo(template, `${directory}/${caseDirectory(kind, image)}`);
    }
    fs.removeSync(template);
  }
}

async function makeTree(
  directory: string,
  script: string,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  fs.mkdirpSync(directory);
  await run(["sh", "-ec", script], { cwd: directory, env });
}

async function copyTo(template: string, directory: string): Promise<void> {
  fs.mkdirpSync(path.dirname(directory));
  await run(["cp", "--archive", "--", template, directory]);
}
