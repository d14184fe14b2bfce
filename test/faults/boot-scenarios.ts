import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import type { Test } from "tap";
import { run } from "../../fixtures/run.ts";
import {
  attach,
  detach,
  lookAt,
  makeBootDisk,
  newLabel,
  rehearse,
  type BootDisk,
} from "../root/boot-disk.ts";
import { lookAtContent, wholeOf, type DiskContent } from "./disk-content.ts";

/** A machine before a boot: its disk, which is not in use, and its kernel command line. */
export interface Scenario {
  readonly name: string;
  readonly fsType: BootDisk["fsType"];
  readonly cmdline: string;
  /** What the boot comes to without a fault. */
  readonly result: "fresh" | "kept" | "fallback";
  readonly disk: string;
  readonly content: DiskContent;
}

/** The rwlayer of all scenarios. */
export const RWLAYER = "root";
export const OWN_DIRECTORY = `.dockroot/${RWLAYER}`;
/** `dockroot.generations=` of all scenarios. */
export const GENERATIONS = 2;

interface Sketch {
  readonly options: (labels: { disk: string; topLayer: string }) => string;
  readonly result: Scenario["result"];
  /** How many boots came before. */
  readonly starts: number;
  readonly prepare?: (
    topLevel: string,
    bootHalfWay: () => void,
    isBtrfs: boolean,
  ) => Promise<void> | void;
}

const onRoot = ({ disk }: { disk: string }) =>
  `toplayer=LABEL=${disk} toplayer_path=files`;

const sketches = {
  "a new root and all there is to clean up": {
    options: ({ topLayer }) => `toplayer=LABEL=${topLayer}`,
    result: "fresh",
    starts: 4,
    prepare: (_, bootHalfWay) => {
      bootHalfWay();
    },
  },
  "a new root over a former one": {
    options: ({ topLayer }) => `toplayer=LABEL=${topLayer}`,
    result: "fresh",
    starts: 2,
  },
  "the first root": {
    options: onRoot,
    result: "fresh",
    starts: 0,
  },
  "the image is gone": {
    options: () => "docker_image=gone:1",
    result: "fallback",
    starts: 2,
  },
  "the image and the rwlayer are gone": {
    options: () => "docker_image=gone:1",
    result: "fallback",
    starts: 3,
    prepare: async (topLevel, _, isBtrfs) => {
      fs.renameSync(`${topLevel}/${RWLAYER}`, `${topLevel}/moved-away`);
      const generation = `${topLevel}/${OWN_DIRECTORY}/generations/2`;
      if (isBtrfs) await setReadOnly(generation);
    },
  },
  "the root is kept and its top layer has changed": {
    options: (labels) =>
      `dockroot.rwlayer=keep dockroot.toplayer=always ${onRoot(labels)}`,
    result: "kept",
    starts: 2,
    prepare: (topLevel) => {
      fs.writeFileSync(`${topLevel}/files/etc/added`, "added\n");
    },
  },
} satisfies Record<string, Sketch>;

export type ScenarioName = keyof typeof sketches;

export const scenarioNames = Object.keys(sketches) as ScenarioName[];

/**
 * Makes scenarios, each on a disk of its own; all these disks have one UUID.
 * @param names which
 */
export async function makeScenarios(
  t: Test,
  names: readonly ScenarioName[],
  fsType: BootDisk["fsType"] = "btrfs",
): Promise<readonly Scenario[]> {
  if (names.length === 0) return [];
  const isBtrfs = fsType === "btrfs";
  const base = await makeBootDisk(
    ...([t, `scenarios-${fsType}`, undefined, fsType] as const),
    // Few, so that they can be used up.
    fsType === "ext4" ? { inodes: 4096 } : {},
  );
  await detach(base.file);
  const labels = { disk: base.label, topLayer: newLabel().slice(-16) };
  await makeTopLayerDisk(t, `${base.scratch}/top-layer`, labels.topLayer);
  const rwlayer = isBtrfs
    ? `rootflags=subvol=${RWLAYER}`
    : `dockroot.root=${RWLAYER}`;
  const common = `root=LABEL=${labels.disk} ${rwlayer} docker_path=docker docker_image=system:1 dockroot.timeout=20`;
  const machine = rehearse(t, base, RWLAYER, common);
  const made: Scenario[] = [];
  for (const name of names) {
    const { result, starts, prepare, ...sketch }: Sketch = sketches[name];
    const disk = path.join(base.scratch, `disk-${String(made.length)}`);
    fs.copyFileSync(base.file, disk);
    await attach(t, disk);
    const look = <T>(work: (topLevel: string) => T | Promise<T>) =>
      lookAt(disk, work, wholeOf(fsType));
    await look((top) => makeNeighbours(top, isBtrfs));
    const options = sketch.options(labels);
    const former = options.replaceAll(/gone:1|keep/g, (word) =>
      word === "keep" ? "fresh" : "system:1",
    );
    for (let count = 1; count <= starts; count += 1) {
      const { status, stderr } = machine.boot(
        `${former} dockroot.generations=9`,
      );
      if (status !== 0) throw new Error(stderr);
      // An overlay is used through its mount.
      const mounted = path.join(machine.runDirectory, "root");
      if (!isBtrfs) await useRoot(mounted, String(count), isBtrfs);
      machine.finish();
      await look(async (top) => {
        if (isBtrfs) await useRoot(`${top}/${RWLAYER}`, String(count), isBtrfs);
      });
    }
    await look((top) =>
      prepare?.(
        top,
        () => {
          // Nothing to be seen of the disk then; it is mounted a second time.
          machine.boot(`${former} init=/sbin/absent`);
        },
        isBtrfs,
      ),
    );
    const content = await lookAtContent(disk, fsType);
    await detach(disk);
    const cmdline = `${common} dockroot.generations=${String(GENERATIONS)} ${options}`;
    made.push({ name, fsType, cmdline, result, disk, content });
  }
  return made;
}

/** A user's own, all around. */
async function makeNeighbours(
  topLevel: string,
  isBtrfs: boolean,
): Promise<void> {
  fs.mkdirSync(`${topLevel}/files/etc`, { recursive: true });
  fs.writeFileSync(`${topLevel}/files/etc/hostname`, "this-machine\n");
  fs.mkdirSync(`${topLevel}/${OWN_DIRECTORY}/generations`, { recursive: true });
  for (const name of [
    "home",
    "home/nested",
    `${OWN_DIRECTORY}/generations/mine`,
    `${OWN_DIRECTORY}/other`,
  ]) {
    await makeDirectory(`${topLevel}/${name}`, isBtrfs);
    fs.writeFileSync(`${topLevel}/${name}/precious`, name);
  }
}

/** What a system and its user leave in a root, nested subvolumes among it. */
async function useRoot(
  root: string,
  mark: string,
  isBtrfs: boolean,
): Promise<void> {
  fs.writeFileSync(`${root}/etc/mine`, `work of ${mark}`);
  fs.mkdirSync(`${root}/var/lib`, { recursive: true });
  for (const name of ["machines", "machines/one"]) {
    await makeDirectory(`${root}/var/lib/${name}`, isBtrfs);
    fs.writeFileSync(`${root}/var/lib/${name}/precious`, mark);
  }
  if (isBtrfs) await setReadOnly(`${root}/var/lib/machines`);
  else fs.rmSync(`${root}/etc/mtab`, { force: true });
}

/** Where there are subvolumes, one of them. */
async function makeDirectory(file: string, isBtrfs: boolean): Promise<void> {
  if (isBtrfs) await run(["btrfs", "subvolume", "create", file]);
  else fs.mkdirSync(file, { recursive: true });
}

async function setReadOnly(subvolume: string): Promise<void> {
  await run(["btrfs", "property", "set", "-ts", subvolume, "ro", "true"]);
}

async function makeTopLayerDisk(
  t: Test,
  file: string,
  label: string,
): Promise<void> {
  fs.writeFileSync(file, "");
  fs.truncateSync(file, 16 * 1024 ** 2);
  const tree = `${file}-tree`;
  fs.mkdirSync(`${tree}/etc/network`, { recursive: true });
  fs.writeFileSync(`${tree}/etc/hostname`, "this-machine\n");
  fs.writeFileSync(`${tree}/etc/network/own`, "own\n");
  fs.symlinkSync("hostname", `${tree}/etc/name`);
  // So that etc is taken apart, and its attributes copied by themselves.
  fs.writeFileSync(`${tree}/etc/.wh.mtab`, "");
  for (const name of ["first", "second"]) {
    // Cannot be compressed, and is too large to stand in the metadata.
    fs.writeFileSync(`${tree}/etc/${name}`, randomBytes(1_000_000));
  }
  await run(["mkfs.ext4", "-q", "-L", label, "-d", tree, file]);
  await attach(t, file);
}
