import fs from "node:fs";
import path from "node:path";
import {
  makeEspDisk,
  offsetsOf,
  type EspDiskOptions,
} from "../../fixtures/esp-disk.ts";
import { run } from "../../fixtures/run.ts";
import { undoLater } from "../../fixtures/undo.ts";
import { BOOT_LOADERS } from "../../installer/loaders/formats/boot-loaders.ts";
import { detach, lookAt } from "../root/boot-disk.ts";
import type { DeployScenario } from "./deploy-scenarios.ts";
import {
  judgeSettled,
  readDeploySight,
  type DeploySight,
} from "./judge-deployments.ts";
import { lost, wrong, type Problem } from "./tally.ts";

/** A boot loader whose menu is on an EFI system partition. */
export interface EspLoader {
  readonly name: "systemd-boot" | "refind" | "grub";
  /** Its configuration. */
  readonly config: string;
  /** What a user has on the partition. */
  readonly files: Readonly<Record<string, string>>;
}

export const ESP_LOADERS: readonly EspLoader[] = [
  {
    name: "systemd-boot",
    config: "loader/loader.conf",
    files: {
      "loader/loader.conf": "timeout 3\nconsole-mode keep\n",
      "loader/entries/mine.conf": "title mine\nlinux /mine/linux\n",
      "mine/linux": "mine\n",
    },
  },
  {
    name: "refind",
    config: "EFI/refind/refind.conf",
    files: {
      "EFI/refind/refind.conf":
        'timeout 3\nmenuentry "mine" {\n    loader /mine/linux\n}\n',
      "mine/linux": "mine\n",
    },
  },
  {
    name: "grub",
    config: "grub/grub.cfg",
    files: {
      "grub/grub.cfg": "source custom.cfg\n",
      "grub/custom.cfg": "set timeout=3\n",
    },
  },
];

/** What such a disk has of deployments. */
export interface EspSight extends DeploySight {
  /** The files on the partition, and what is in them. */
  readonly esp: ReadonlyMap<string, string>;
}

/** The smallest of FAT32, nearly. */
const LAYOUT: EspDiskOptions = { sizeMib: 40 };
const OFFSETS = offsetsOf(LAYOUT);
const ESP_BYTES = OFFSETS.next - OFFSETS.esp;
/** No file of dockroot's or a boot loader's is deeper. */
const MAX_DEPTH = 5;
/** Where `fsck.vfat -a` has corrected something. */
const CORRECTED = 1;

/** Whether a write is to the EFI system partition. */
export function isOnEsp({ offset }: { readonly offset: number }): boolean {
  return offset >= OFFSETS.esp && offset < OFFSETS.next;
}

/** Makes a machine's disk: the scenario's, behind an EFI system partition. */
export async function makeEspMachine(
  { disk }: DeployScenario,
  { files }: EspLoader,
  file: string,
): Promise<void> {
  const scratch = path.dirname(file);
  await makeEspDisk(file, files, scratch, { ...LAYOUT, next: disk });
}

/** Looks at such a disk as a boot loader and dockroot do, whatever its FAT is like. */
export async function lookAtEsp(
  disk: string,
  { name, config }: EspLoader,
): Promise<EspSight> {
  const tree = `${disk}-esp`;
  fs.rmSync(tree, { recursive: true, force: true });
  fs.mkdirSync(tree);
  await copyOut(`${disk}@@${String(OFFSETS.esp)}`, tree, "");
  const leave = undoLater(() => detach(disk));
  try {
    const offset = ["--offset", String(OFFSETS.next)];
    await run(["losetup", ...offset, "--find", "--", disk]);
    const sight = await lookAt(
      disk,
      (top) =>
        readDeploySight(top, {
          loader: BOOT_LOADERS[name],
          top: name === "grub" ? top : tree,
          ...{ menuTop: tree, config },
        }),
      ["subvolid=5"],
    );
    return { ...sight, esp: readFiles(tree) };
  } finally {
    await leave();
  }
}

/**
 * Copies what can be read: a directory or a file that a cut has left half made leads nowhere, and the others
 * are as they are.
 */
async function copyOut(
  image: string,
  tree: string,
  directory: string,
): Promise<void> {
  const list = ["mdir", "-a", "-b", "-i", image, `::/${directory}`];
  const listed = await attempt(list);
  for (const name of listed.match(/^::\/.+$/gm) ?? []) {
    const file = name.slice("::/".length);
    // Of a directory without a cluster, mdir lists the root.
    if (!file.startsWith(directory) || file === directory) continue;
    if (!file.endsWith("/")) {
      const target = path.join(tree, file);
      const copy = ["mcopy", "-n", "-i", image, name, target];
      if ((await attempt(copy)) !== "") fs.rmSync(target, { force: true });
    } else if (file.split("/").length <= MAX_DEPTH) {
      fs.mkdirSync(path.join(tree, file));
      await copyOut(image, tree, file);
    }
  }
}

/** @returns what it says, which of a copy is why it failed */
async function attempt(command: readonly string[]): Promise<string> {
  try {
    return await run(command);
  } catch (error) {
    return String(error);
  }
}

function readFiles(tree: string): Map<string, string> {
  const files = fs
    .readdirSync(tree, { recursive: true, encoding: "utf8" })
    .filter((name) => fs.statSync(path.join(tree, name)).isFile());
  return new Map(
    files.map((name) => [name, fs.readFileSync(path.join(tree, name), "utf8")]),
  );
}

/** Lets `fsck.vfat -a` correct the partition, as a system does that checks it before it mounts it. */
export async function checkEsp(disk: string): Promise<void> {
  const esp = `${disk}-esp.img`;
  const mib = 1024 ** 2;
  const copy = (...args: string[]) =>
    run(["dd", "status=none", "bs=1M", "conv=notrunc", ...args]);
  await copy(
    ...[`if=${disk}`, `of=${esp}`, `skip=${String(OFFSETS.esp / mib)}`],
    `count=${String(ESP_BYTES / mib)}`,
  );
  const check = `fsck.vfat -a '${esp}' || [ "$?" = ${String(CORRECTED)} ]`;
  await run(["sh", "-c", check]);
  await copy(
    ...[`if=${esp}`, `of=${disk}`, `seek=${String(OFFSETS.esp / mib)}`],
  );
  fs.rmSync(esp);
}

/** What a user has on the partition, and is no longer as it was. */
export function judgeEsp(
  { files }: EspLoader,
  { esp }: Pick<EspSight, "esp">,
): Problem[] {
  return lost(
    Object.entries(files).flatMap(([name, text]) => {
      const own = esp.get(name);
      if (own === undefined) return [`${name} is missing`];
      const missing = text.split("\n").filter((line) => !own.includes(line));
      return missing.map((line) => `${name} lacks ${line}`);
    }),
  );
}

/** As `judgeSettled`; nothing half made is on the partition either. */
export function judgeEspSettled(before: EspSight, after: EspSight): Problem[] {
  const left = [...after.esp.keys()].filter((name) =>
    /\.dockroot-put$|^dockroot\/.*\.new\//.test(name),
  );
  return [
    ...judgeSettled(before, after),
    ...wrong(left.map((name) => `${name} is left`)),
  ];
}
