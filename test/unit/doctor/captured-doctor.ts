import fs from "fs-extra";
import path from "node:path";
import {
  makeCpio,
  makeKernel,
  type InitramfsFiles,
} from "../../../fixtures/boot-files.ts";
import { gatherDoctorFacts } from "../../../installer/doctor/gather-doctor-facts.ts";
import {
  findBlock,
  putBlock,
} from "../../../installer/loaders/formats/blocks.ts";
import {
  BLOCK_MENUS,
  blockOf,
  INCLUDE_BLOCK,
} from "../../../installer/loaders/formats/deployment-blocks.ts";
import {
  describeReport,
  type DoctorReport,
} from "../../../installer/doctor/rules/report.ts";
import { generators } from "../../../installer/generators/choose-generator.ts";
import { helperNames } from "../../../installer/install/helpers.ts";
import { HelperError } from "../../../runtime/base/errors.ts";
import {
  createHost,
  type Files,
  type Host,
} from "../../../runtime/host/host.ts";
import { sha256 } from "../../../runtime/base/sha256.ts";
import {
  hexOf,
  parseImageReference,
} from "../../../runtime/images/image-ref.ts";
import { keptImagePaths } from "../../../runtime/options/rwlayer-names.ts";
import {
  noDeployments,
  type Deployment,
  type Deployments,
} from "../../../runtime/records/deployments.ts";
import type { KeptImage } from "../../../runtime/records/kept-image.ts";
import type { SubvolumeRecord } from "../../../runtime/records/rwlayer-state.ts";
import { openStore } from "../../../runtime/stores/open-store.ts";
import { hostWithSubvolumes } from "../disk/host-with-subvolumes.ts";
import { createLog } from "../../../runtime/host/log.ts";
import { freshRecord } from "../status/status-data.ts";
import { copyMachine, Tree } from "../toplayer/captured-machine.ts";

const CAPTURED = path.join(import.meta.dirname, "../../../fixtures/captured");

export const KERNEL = "6.1.0-40-amd64";

/** Captured stores: what of them is the engine's directory, and the image that the machine boots. */
const STORES = {
  docker: {
    captured: "docker-20.10.24-btrfs",
    copies: [["image", "image"]],
    subvolumes: "btrfs/subvolumes",
    list: "subvolumes.json",
    home: "/var/lib/docker",
  },
  containerd: {
    captured: "docker-28.5.2-containerd-btrfs",
    copies: [["containerd", ""]],
    subvolumes: "io.containerd.snapshotter.v1.btrfs/snapshots",
    list: "snapshots.json",
    home: "/var/lib/containerd",
  },
  podman: {
    captured: "podman-4.3.1-btrfs",
    copies: [["store", ""]],
    subvolumes: "btrfs/subvolumes",
    list: "subvolumes.json",
    home: "/var/lib/containers/storage",
  },
} as const;

/** What the programs print on Debian 12. Whether one is absent, or another, is a test's to change. */
const VERSIONS: Readonly<Record<string, string>> = {
  btrfs: "btrfs-progs v6.2\n",
  mount:
    "mount from util-linux 2.38.1 (libmount 2.38.1: selinux, smack, btrfs, verity, namespaces, assert, debug)\n",
  umount:
    "umount from util-linux 2.38.1 (libmount 2.38.1: selinux, smack, btrfs, verity, namespaces, assert, debug)\n",
  blkid: "blkid from util-linux 2.38.1  (libblkid 2.38.1, 04-Aug-2023)\n",
  flock: "flock from util-linux 2.38.1\n",
  setpriv: "setpriv from util-linux 2.38.1\n",
  cp: "cp (GNU coreutils) 9.1\n",
  sync: "sync (GNU coreutils) 9.1\n",
  cat: "cat (GNU coreutils) 9.1\n",
};

/** What `blkid -o export` prints of the machine's filesystems. */
const DEVICES: Readonly<Record<string, string>> = {
  "LABEL=linux":
    "DEVNAME=/dev/vda2\nLABEL=linux\nUUID=11111111-1111-1111-1111-111111111111\nTYPE=btrfs\n",
  "LABEL=my disk":
    "DEVNAME=/dev/vda2\nLABEL=my\\ disk\nUUID=11111111-1111-1111-1111-111111111111\nTYPE=btrfs\n",
  "LABEL=other":
    "DEVNAME=/dev/vda3\nLABEL=other\nUUID=22222222-2222-2222-2222-222222222222\nTYPE=btrfs\n",
};

/** What `blkid -p -o udev` prints of them. */
const PROBED: Readonly<Record<string, string>> = {
  "/dev/vda1":
    "ID_FS_TYPE=ext4\nID_FS_UUID=33333333-3333-3333-3333-333333333333\n",
  "/dev/vda2":
    "ID_FS_TYPE=btrfs\nID_FS_UUID=11111111-1111-1111-1111-111111111111\n",
};

const GB = 1e9;

export const OPTIONS =
  "root=LABEL=linux rootflags=subvol=docker_rwlayer rw docker_path=docker toplayer=LABEL=linux toplayer_path=boot_docker docker_image=one:1";

export const INITRAMFS: InitramfsFiles = {
  init: "#!/bin/sh\n",
  "usr/bin/dockroot": "executable",
  ...Object.fromEntries(
    helperNames.map((name) => [`usr/lib/dockroot/bin/${name}`, "program"]),
  ),
  ...Object.fromEntries(
    generators["initramfs-tools"].hooksInImage.map((name) => [name, ""]),
  ),
  [`usr/lib/modules/${KERNEL}/kernel/fs/btrfs/btrfs.ko`]: "module",
};

interface Mounted {
  readonly at: string;
  readonly fsType: string;
  readonly source: string;
  /** From its filesystem's top level. */
  readonly root: string;
  /** The directory that stands for it. */
  readonly directory: string;
}

/**
 * A machine that boots an image: captured trees of files, and what no tree of files has, which the
 * kernel and helper programs tell: mounts, subvolumes, room on disks, devices, versions of programs.
 */
export interface DoctorMachine {
  /** The system that runs. */
  readonly system: Tree;
  /** The top level of the btrfs LABEL=linux, with the store `docker` on it. */
  readonly disk: Tree;
  /** The tree of the image one:1. */
  readonly image: Tree;
  /** The top layer boot_docker. */
  readonly layer: Tree;
  readonly mounts: Mounted[];
  /** Bytes that are free, by mount point; else 50 GB. */
  readonly free: Map<string, number>;
  /** What a program prints for --version; `undefined`: there is none. */
  readonly versions: Record<string, string | undefined>;
  /** `--image` */
  asked: string | undefined;
}

/** The kernel options of this boot. */
export function setOptions({ system }: DoctorMachine, options: string): void {
  system.write("proc/cmdline", `BOOT_IMAGE=/vmlinuz ${options}\n`);
}

/** The menu's entry "docker", beside another system's. */
export function setMenu(
  { system }: DoctorMachine,
  { options = OPTIONS, kernel = "/vmlinuz", initrd = "/initrd.img" } = {},
): void {
  const lines = initrd === "" ? "" : `\tinitrd\t${initrd}\n`;
  system.write(
    "boot/grub/grub.cfg",
    `source custom.cfg\nmenuentry 'Debian GNU/Linux' --class debian {\n\tlinux\t/vmlinuz root=/dev/vda3 ro quiet\n\tinitrd\t/initrd.img\n}\n` +
      `menuentry 'docker' {\n\tlinux\t${kernel} ${options}\n${lines}}\n`,
  );
}

/** An initramfs in /boot, with these changes to what is in it: `undefined` takes a file out. */
export function setInitramfs(
  { system }: DoctorMachine,
  changes: Readonly<Record<string, string | undefined>> = {},
  name = "boot/initrd.img",
): void {
  const files = Object.entries({ ...INITRAMFS, ...changes }).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  system.write(name, makeCpio(Object.fromEntries(files)));
}

/** What `btrfs subvolume show` prints of a former root, but for its times. */
const SUBVOLUME =
  "3\n\tName: \t\t\t3\n\tUUID: \t\t\t1d1ea182-4d91-a14f-9a1f-4b8865410602\n\tParent UUID: \t\tcc097502-f5e5-5b44-9581-fff88add77a2\n\tGeneration: \t\t8\n\tGen at creation: \t8\n";

/** The UUID in it. */
const SUBVOLUME_UUID = "1d1ea182-4d91-a14f-9a1f-4b8865410602";

/** The state file knows the former root that there is. */
export function recordGeneration({ disk }: DoctorMachine): void {
  const record: SubvolumeRecord = {
    uuid: SUBVOLUME_UUID,
    boot: 3,
    complete: true,
    image: { reference: "one:1", id: DEPLOYED_ID },
    source: "docker/btrfs/subvolumes/gone",
    toplayer: null,
  };
  const state = { version: 2, rwlayer: RWLAYER, subvolumes: [record] };
  disk.write(`.dockroot/${RWLAYER}/state.json`, JSON.stringify(state));
}

const RWLAYER = "docker_rwlayer";

const DEPLOYED_ID = `sha256:${"d1".repeat(32)}` as const;

/** A deployment on GRUB's partition, its image kept, with an entry beside those of the menu. */
export function addDeployment(
  machine: DoctorMachine,
  n: number,
): Deployment & { readonly directory: string } {
  const { system, disk } = machine;
  const kernel = makeKernel(KERNEL);
  const initrd = makeCpio({ ...INITRAMFS, n: String(n) });
  const digest = sha256(`linux ${sha256(kernel)}\ninitrd ${sha256(initrd)}\n`);
  const directory = `boot/dockroot/${digest}`;
  system.write(`${directory}/linux`, kernel);
  system.write(`${directory}/initrd`, initrd);
  const deployment: Deployment = {
    n,
    image: { reference: "one:1", id: DEPLOYED_ID, repoDigest: null },
    kernel: {
      release: KERNEL,
      digest,
      files: ["linux", "initrd"],
      bytes: kernel.length + initrd.length,
    },
    options: `${OPTIONS.replace("one:1", DEPLOYED_ID)} dockroot.deployment=${String(n)}`,
    state: "good",
    tries: null,
    isPinned: false,
    failure: null,
  };
  const menu = `menuentry 'dockroot ${String(n)}' {\n\tlinux /dockroot/${digest}/linux ${deployment.options}\n\tinitrd /dockroot/${digest}/initrd\n}\n`;
  const { include } = BLOCK_MENUS.grub ?? {};
  system.write(
    "boot/grub/custom.cfg",
    putBlock("", INCLUDE_BLOCK, include?.text ?? "") ?? "",
  );
  const { entries } = readMenu(machine);
  system.write("boot/grub/dockroot.cfg", formatMenu(entries + menu, n));
  const kept: KeptImage = {
    version: 1,
    ...{ uuid: SUBVOLUME_UUID, number: 1, reference: "one:1" },
    ...{ id: DEPLOYED_ID, configId: DEPLOYED_ID, repoDigest: null },
    ...{ diffIds: [], architecture: null, kernels: [KERNEL], system: null },
  };
  const { record, tree } = keptImagePaths(hexOf(DEPLOYED_ID));
  disk.write(record, JSON.stringify(kept));
  if (!fs.existsSync(path.join(disk.at, tree))) addGeneration(machine, tree);
  return { ...deployment, directory };
}

const MENU_BLOCK = blockOf(RWLAYER);

function readMenu({ system }: DoctorMachine) {
  const file = path.join(system.at, "boot/grub/dockroot.cfg");
  const text = fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
  return { entries: findBlock(text, MENU_BLOCK) ?? "" };
}

function formatMenu(entries: string, next: number): string {
  const menu = putBlock("", MENU_BLOCK, entries) ?? "";
  const choice = `set default='dockroot-${RWLAYER}-${String(next)}'\n`;
  return putBlock(menu, "next", choice, true) ?? "";
}

/** What starts by itself. */
export function setNext(machine: DoctorMachine, n: number): void {
  const { entries } = readMenu(machine);
  machine.system.write("boot/grub/dockroot.cfg", formatMenu(entries, n));
}

/** The first one runs, the last one boots next. */
export function recordDeployments(
  { disk, system }: DoctorMachine,
  deployments: readonly Deployment[],
): void {
  const [first] = deployments;
  const last = deployments.at(-1)?.n ?? 0;
  const state: Deployments = {
    ...noDeployments(RWLAYER),
    next: last,
    last,
    deployments,
  };
  disk.write(`.dockroot/${RWLAYER}/deployments.json`, JSON.stringify(state));
  const record = { ...freshRecord, deployment: first?.n };
  system.write("run/dockroot/boot.json", JSON.stringify(record));
}

/** A former root, of the image's tree; the state file does not know it. */
export function addGeneration(
  { disk, image }: DoctorMachine,
  at: string,
): void {
  disk.directory(at);
  const options = { recursive: true, verbatimSymlinks: true };
  fs.cpSync(image.at, path.join(disk.at, at), options);
  disk.set(`${at}/usr/lib/systemd/systemd`, { mode: 0o755 });
}

/**
 * @param engine whose store the disk has
 * @param store where, from the top level
 */
export function makeDoctorMachine(
  scratch: string,
  engine: keyof typeof STORES = "docker",
  store = "docker",
): DoctorMachine {
  const { subvolumes, home } = STORES[engine];
  const disk = new Tree(path.join(scratch, "disk"));
  copyStore(disk, store, engine);
  const host = hostWithSubvolumes(`${store}/${subvolumes}`, "x64");
  const location = { host, topLevel: disk.at, path: store };
  const { source } = openStore(location).findRoot(parseImageReference("one:1"));
  const { image, layer } = copyMachine("machine-debian-12", scratch, {
    image: `disk/${source}`,
    layer: "disk/boot_docker",
  });
  installSystem(image);
  layer.write(
    "etc/fstab",
    "LABEL=linux /var/lib/docker btrfs subvol=docker 0 0\n",
  );
  const system = new Tree(path.join(scratch, "system"));
  system.directory("run");
  system.directory("var/lib/docker");
  system.directory(home.slice(1));
  system.write(
    "etc/dockroot.json",
    '{ "docker_image": "one", "docker_tag": "1" }',
  );
  system.write("etc/docker/daemon.json", '{ "storage-driver": "btrfs" }');
  system.write("usr/bin/podman", "\x7fELF");
  system.write("proc/sys/kernel/osrelease", `${KERNEL}\n`);
  system.link("proc/self/ns/pid", "pid:[4026531836]");
  system.write("boot/vmlinuz", makeKernel(KERNEL));
  const machine: DoctorMachine = {
    ...{ system, disk, image, layer },
    mounts: [
      mountOf("/", "ext4", "/dev/vda3", system.at),
      mountOf("/boot", "ext4", "/dev/vda1", path.join(system.at, "boot")),
      mountOf(
        home,
        "btrfs",
        "/dev/vda2",
        path.join(disk.at, store),
        `/${store}`,
      ),
    ],
    free: new Map(),
    versions: { ...VERSIONS },
    asked: undefined,
  };
  setOptions(machine, OPTIONS);
  setMenu(machine);
  setInitramfs(machine);
  return machine;
}

function mountOf(
  at: string,
  fsType: string,
  source: string,
  directory: string,
  root = "/",
): Mounted {
  return { at, fsType, source, directory, root };
}

function copyStore(disk: Tree, to: string, engine: keyof typeof STORES): void {
  const { captured, copies, subvolumes, list } = STORES[engine];
  const names = fs.readJsonSync(
    path.join(CAPTURED, captured, list),
  ) as string[];
  for (const [from, below] of copies) {
    fs.copySync(
      path.join(CAPTURED, captured, from),
      path.join(disk.at, to, below),
    );
  }
  for (const name of names) disk.directory(`${to}/${subvolumes}/${name}`);
}

/** Another engine's store on the disk, mounted where that has it; or in the store's own directory. */
export function addStore(
  { disk, mounts, system }: DoctorMachine,
  engine: keyof typeof STORES,
  to: string = engine,
): void {
  const { home } = STORES[engine];
  copyStore(disk, to, engine);
  if (to !== engine) return;
  system.directory(home.slice(1));
  mounts.push(
    mountOf(home, "btrfs", "/dev/vda2", path.join(disk.at, to), `/${to}`),
  );
}

/** What packages and `dockroot install` put into the image, as far as it is looked at. */
function installSystem(image: Tree): void {
  const program = { mode: 0o755 };
  image.write("usr/lib/systemd/systemd", "\x7fELF", program);
  image.link("usr/sbin/init", "../lib/systemd/systemd");
  image.write(`usr/lib/modules/${KERNEL}/modules.dep`);
  for (const name of ["sbin/dockerd", "sbin/mkinitramfs", "bin/lsinitramfs"]) {
    image.write(`usr/${name}`, "\x7fELF", program);
  }
  for (const { path } of generators["initramfs-tools"].files) {
    image.write(path.slice(1));
  }
  image.write("etc/docker/daemon.json", '{ "storage-driver": "btrfs" }');
}

/** What doctor finds. */
export async function examine(machine: DoctorMachine): Promise<DoctorReport> {
  const facts = await gatherDoctorFacts(
    hostOf(machine),
    Object.values(generators),
    machine.asked,
  );
  return describeReport(facts);
}

function hostOf(machine: DoctorMachine): Host {
  const mounts = [...machine.mounts];
  const host = createHost("/", createLog([]));
  const mountOver = (file: string) =>
    mounts
      .filter(({ at }) => at === "/" || `${file}/`.startsWith(`${at}/`))
      .reduce((deepest, mount) =>
        mount.at.length >= deepest.at.length ? mount : deepest,
      );
  const place = (file: string) => {
    const { at, directory } = mountOver(file);
    return path.join(directory, path.relative(at, file));
  };
  const readText: Host["readText"] = (file, maxBytes) =>
    /^\/proc\/(?:self|1)\/mountinfo$/.test(file)
      ? mounts.map(formatMount).join("")
      : host.readText(place(file), maxBytes);
  return {
    ...host,
    architecture: "x64",
    files: filesOf(machine, host.files, place, mountOver),
    readText,
    run: (argv) => {
      const stdout = runHelper(machine, mounts, argv);
      return stdout === undefined
        ? Promise.reject(
            new HelperError(
              "missing",
              `${argv.join(" ")}: there is no such program`,
            ),
          )
        : Promise.resolve({
            stdout: Buffer.from(stdout),
            exitCode: stdout === "" ? 2 : 0,
          });
    },
  };
}

function formatMount({ at, fsType, source, root }: Mounted): string {
  const device = `0:${String(Number(source.at(-1)) + 20)}`;
  return `1 0 ${device} ${root} ${at} rw - ${fsType} ${source} rw\n`;
}

function runHelper(
  { versions, disk }: DoctorMachine,
  mounts: Mounted[],
  argv: readonly string[],
): string | undefined {
  const [program = "", ...args] = argv;
  const at = args.at(-1) ?? "";
  if (at === "--version") return versions[program];
  switch (program) {
    case "blkid":
      return (args.includes("-p") ? PROBED : DEVICES)[at] ?? "";
    case "mount":
      mounts.push(mountOf(at, "btrfs", "/dev/vda2", disk.at));
      return "x";
    case "umount":
      mounts.splice(
        mounts.findIndex((mount) => mount.at === at),
        1,
      );
      return "x";
    case "btrfs":
      return SUBVOLUME;
    case "lsattr":
      return "\n";
    default:
      throw new Error(`unexpected: ${argv.join(" ")}`);
  }
}

/** Real files, but for owners, modes and subvolumes, which only root could make. */
function filesOf(
  { free, disk, ...trees }: DoctorMachine,
  files: Files,
  place: (file: string) => string,
  mountOver: (file: string) => Mounted,
): Files {
  const all = [trees.system, disk, trees.image, trees.layer];
  const asText = (file: string | Buffer) => place(file.toString("utf8"));
  const isSubvolume = (file: string) =>
    file === trees.image.at ||
    /\/generations\/\d+$|\/images\/[0-9a-f]{64}\/tree$/.test(file);
  const placed = Object.fromEntries(
    Object.entries(files).map(([name, call]) => [
      name,
      (file: string | Buffer, ...args: unknown[]) =>
        (call as (...args: unknown[]) => unknown)(asText(file), ...args),
    ]),
  ) as unknown as Files;
  return {
    ...placed,
    statusOf: (file) => {
      const own = asText(file);
      const status = files.statusOf(own);
      const attributes = all
        .map((tree) => tree.attributes.get(own))
        .find((found) => found !== undefined);
      const inode = isSubvolume(own) ? 256 : undefined;
      return (
        status && {
          ...status,
          uid: 0,
          gid: 0,
          ...attributes,
          ...(inode !== undefined && { inode }),
        }
      );
    },
    lookAt: (file) => files.lookAt(Buffer.from(asText(file))),
    realPath: (file) => {
      const { at, directory } = mountOver(file);
      const real = files.realPath(place(file));
      return path.join(at, path.relative(directory, real));
    },
    roomAt: (file) => ({
      totalBytes: 100 * GB,
      freeBytes:
        free.get(mountOver(file).at.replace(/^\/run\/.*/, "disk")) ?? 50 * GB,
      freeInodes: undefined,
    }),
  };
}
