import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { startDockerEngine } from "../fixtures/docker-engine.ts";
import { buildImage, importTree, makeBaseTree } from "../fixtures/images.ts";
import { copyDisk, makeMountedDisk, mountDisk } from "../fixtures/loop-disk.ts";

/** The top layer on the disk: what a machine has of its own, as docs/top-layer.md has it. */
export const SMALL_LAYER = "layers/small";

const LAYER_FILES: Readonly<Record<string, number>> = {
  "etc/fstab": 400,
  "etc/hostname": 8,
  "etc/hosts": 200,
  "etc/machine-id": 33,
  "etc/locale.conf": 20,
  "etc/vconsole.conf": 20,
  "etc/adjtime": 30,
  "etc/passwd": 1800,
  "etc/group": 900,
  "etc/shadow": 1100,
  "etc/gshadow": 700,
  "etc/subuid": 40,
  "etc/subgid": 40,
  "etc/ssh/ssh_host_ecdsa_key": 510,
  "etc/ssh/ssh_host_ecdsa_key.pub": 180,
  "etc/ssh/ssh_host_ed25519_key": 410,
  "etc/ssh/ssh_host_ed25519_key.pub": 100,
  "etc/ssh/ssh_host_rsa_key": 2600,
  "etc/ssh/ssh_host_rsa_key.pub": 570,
  "etc/X11/xorg.conf": 1500,
  "etc/X11/xorg.conf.d/00-keyboard.conf": 300,
  "etc/NetworkManager/system-connections/home.nmconnection": 400,
  "etc/NetworkManager/system-connections/work.nmconnection": 400,
  "etc/modprobe.d/sound.conf": 60,
  "etc/modules-load.d/sensors.conf": 40,
  "etc/sysctl.d/50-local.conf": 100,
  "etc/udev/rules.d/70-keyboard.rules": 250,
  "etc/systemd/network/10-lan.link": 90,
  "etc/systemd/system/backup.service": 300,
  "etc/systemd/system/backup.timer": 150,
  "root/.ssh/authorized_keys": 570,
  "usr/local/bin/backup": 1200,
};
const SECRET = /shadow|_key$|nmconnection$/;

/**
 * Makes a disk with the image `system:1`, made by a real dockerd, and a small top layer. Nothing else
 * is in its store.
 * @param layers of the image
 * @param fsType on btrfs, layers are subvolumes; else they are overlay2's
 * @returns the disk's file; no filesystem is mounted
 */
export async function makeBootDisk(
  scratch: string,
  layers: number,
  fsType: "btrfs" | "ext4" | "xfs" = "btrfs",
): Promise<string> {
  const file = join(scratch, "disk");
  const tree = join(scratch, "tree");
  const context = join(scratch, "context");
  await makeBaseTree(tree);
  await mkdir(context);
  const above = Array.from({ length: layers - 1 }, (_, index) => String(index));
  for (const name of above) await writeFile(join(context, name), name);
  const disk = await makeMountedDisk(file, join(scratch, "mnt"), { fsType });
  try {
    const engine = await startDockerEngine({
      dataRoot: join(disk.mountPoint, "docker"),
      scratchDir: scratch,
      storageDriver: fsType === "btrfs" ? "btrfs" : "overlay2",
    });
    try {
      await importTree(engine, tree, "base:1");
      await buildImage(engine, context, "system:1", [
        "FROM base:1",
        // The classic builder compares sizes and times: of the same size, each needs a name of its own.
        ...above.map((name) => `COPY ${name} /srv/layer-${name}`),
      ]);
      await engine.docker(["rmi", "base:1"]);
    } finally {
      await engine.stop();
    }
    await writeLayer(join(disk.mountPoint, SMALL_LAYER));
  } finally {
    await disk.close();
  }
  await rm(tree, { recursive: true });
  return file;
}

/** Copies a disk and changes what is on it. @returns the copy's file */
export async function deriveDisk(
  disk: string,
  name: string,
  change: (topLevel: string) => Promise<void>,
): Promise<string> {
  const file = `${disk}-${name}`;
  await copyDisk(disk, file);
  const mounted = await mountDisk(file, `${file}-mnt`);
  try {
    await change(mounted.mountPoint);
  } finally {
    await mounted.close();
  }
  return file;
}

async function writeLayer(directory: string): Promise<void> {
  for (const [name, bytes] of Object.entries(LAYER_FILES)) {
    const file = join(directory, name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, "x".repeat(bytes));
    await chmod(file, SECRET.test(name) ? 0o600 : 0o644);
  }
}
