import fs from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Test } from "tap";
import { addPrograms } from "../../fixtures/images.ts";
import { run } from "../../fixtures/run.ts";
import {
  detach,
  makeBootDisk,
  rehearse,
  type BootDisk,
  type Rehearsal,
} from "../root/boot-disk.ts";

/** The rwlayer's name on a written disk. */
export const RWLAYER = "docker_rwlayer";
/** Where the user of a written disk writes, in a root. */
export const USER_DIRECTORY = "home/user";
/** What each file of the user begins with, and no other. */
export const USER_MARK = "written by the user: ";
/** The top layer's directory on the top level of a written disk. */
export const TOP_LAYER_PATH = "machines/pc";

/**
 * The machine's own files, of several kinds; some replace what the image has. Those in etc cannot
 * share their data with a copy (chattr +C): cp must write it.
 */
const TOP_LAYER = String.raw`
mkdir etc; chattr +C etc; mkdir -p etc/ssh root/.ssh srv/special
echo this-machine >etc/hostname; echo secret >etc/shadow; chmod 0640 etc/shadow; chown 0:42 etc/shadow
for i in 1 2 3 4 5 6 7 8; do echo "setting $i" >"etc/setting-$i"; done
head -c 200000 /dev/urandom >etc/ssh/data; ln etc/ssh/data etc/ssh/data-again
head -c 30000 /dev/urandom >root/.ssh/shared; ln -s ../run/mtab etc/mtab; echo replaces one name of three >srv/hard-1
mkfifo srv/special/top-fifo; mknod srv/special/top-null c 1 3
truncate -s 1M srv/top-sparse; printf end >>srv/top-sparse
setfattr -n user.note -v 'a note' etc/shadow
touch -d '2001-02-03 04:05:06.123456789' etc/shadow
`;

/**
 * Makes the disk of a computer that has been in use: two boots by the built executable, each
 * followed by a user who writes files and makes nested subvolumes; so there is a generation. The
 * subvolume `photos` is the user's own. It has no loop device then.
 * @param init what /sbin/init does
 */
export async function makeWrittenDisk(
  t: Test,
  name: string,
  init: string,
): Promise<BootDisk> {
  const disk = await makeBootDisk(t, name, async (tree) => {
    await mkdir(path.join(tree, USER_DIRECTORY), { recursive: true });
    await writeFile(path.join(tree, "sbin/init"), init);
    await addPrograms(tree, ["sync"]);
  });
  await disk.look(async (top) => {
    const topLayer = path.join(top, TOP_LAYER_PATH);
    await mkdir(topLayer, { recursive: true });
    await run(["sh", "-ec", TOP_LAYER], { cwd: topLayer });
    await writeAsUser(path.join(top, "photos"), "photos");
  });
  const machine = rehearse(t, disk, RWLAYER, optionsOf(disk));
  for (const start of ["first", "second"]) {
    bootNatively(machine);
    await disk.look((top) =>
      writeAsUser(path.join(top, RWLAYER, USER_DIRECTORY, "own"), start),
    );
  }
  await detach(disk.file);
  return disk;
}

/** The kernel options of a written disk's machine besides root= and rootflags=: nothing is pruned. */
export function optionsOf({ label }: Pick<BootDisk, "label">): string {
  return `docker_image=system:1 dockroot.generations=1000 toplayer=LABEL=${label} toplayer_path=${TOP_LAYER_PATH}`;
}

function bootNatively(machine: Rehearsal): void {
  for (const { status, stderr } of [machine.boot(), machine.finish()]) {
    if (status !== 0) throw new Error(stderr);
  }
}

/** A subvolume with files, and others nested in it, one read-only. */
async function writeAsUser(at: string, what: string): Promise<void> {
  await run(["btrfs", "subvolume", "create", at]);
  await run(["btrfs", "subvolume", "create", `${at}/nested`]);
  await run(["btrfs", "subvolume", "create", `${at}/nested/deeper`]);
  for (const directory of ["", "nested/", "nested/deeper/"]) {
    const text = `${USER_MARK}${what} ${directory}\n`;
    fs.writeFileSync(`${at}/${directory}small`, text);
    fs.writeFileSync(`${at}/${directory}large`, text.repeat(2000));
  }
  await run(["btrfs", "property", "set", "-ts", `${at}/nested`, "ro", "true"]);
}
