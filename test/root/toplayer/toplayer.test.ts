// runner: tier=first seconds=8
import fs from "fs-extra";
import { createHash } from "node:crypto";
import path from "node:path";
import t, { type Test } from "tap";
import { makeDisk } from "../../../fixtures/loop-disk.ts";
import { overlayListing } from "../../../fixtures/overlay-listing.ts";
import { run } from "../../../fixtures/run.ts";
import {
  compareListings,
  entryOf,
  listTree,
  type TreeEntry,
  type TreeListing,
} from "../../../fixtures/tree-listing.ts";
import { parseMountinfo } from "../../../runtime/disk/mounts.ts";
import {
  attach,
  lookAt,
  makeBootDisk,
  newLabel,
  rehearse,
  type Rehearsal,
} from "../boot-disk.ts";
import { withoutOwnRecord } from "../made-root.ts";

/** Files of every kind, each with what a copy may lose. */
const TOP_LAYER = String.raw`
mkdir -p etc/dir .hidden-directory srv/special root/.ssh
echo dot >.hidden; echo dots >..odd; echo dash >-rf; echo more >.hidden-directory/file
echo two >'name
in two lines'; echo latin1 >"srv/$(printf 'caf\351')"
echo this-machine >etc/hostname; ln -sf /run/mtab etc/mtab
chmod 0700 root root/.ssh; echo key >root/.ssh/key; chmod 0600 root/.ssh/key
echo secret >etc/shadow; chmod 0640 etc/shadow; chown 0:42 etc/shadow
for mode in 4755 2711 1777 0000; do echo "$mode" >"srv/top-$mode"; chmod "$mode" "srv/top-$mode"; done
chown 1234:4321 srv/top-1777; chown 1234:4321 srv/top-4755; chmod 4755 srv/top-4755
mkdir -m 2770 srv/setgid; chown 5:6 srv/setgid
echo hard >srv/top-hard; ln srv/top-hard top-hard-link; ln srv/top-hard etc/dir/top-hard
echo replaces one name of three >srv/hard-1
ln -s top-1777 srv/top-link; ln -s /etc/hostname srv/top-absolute; ln -s no/where srv/top-dangling
ln -s ../../../../outside srv/top-outside
echo replaces a link >srv/link; ln -s replaces-a-file srv/mode-0400
mkfifo -m 0640 srv/special/top-fifo; mknod srv/special/top-null c 1 3; mknod -m 0660 srv/special/top-disk b 7 99
truncate -s 8M srv/top-sparse; printf end >>srv/top-sparse
cp /bin/true srv/top-capable; setcap cap_net_bind_service=ep srv/top-capable
setfattr -n user.note -v 'a note' etc/shadow; setfattr -n user.of-directory -v '' etc/dir
setfattr -n trusted.odd -v 0x00ff .hidden
setfacl -m u:1234:rw,g:77:r etc/hostname; setfacl -d -m u:99:rwx etc/dir; setfacl -m u:98:x etc/dir
head -c 300000 /dev/urandom >srv/top-data
touch -h -d '2001-02-03 04:05:06.123456789' srv/top-link etc/shadow
touch -d '1980-01-01 00:00:01.000000001' etc/dir srv/special/top-fifo
`;

/** Files of the disk and of the machine that nothing may reach from inside a tree. */
const OUTSIDE = "precious";

const disk = await makeBootDisk(t, "toplayer", (tree, scratch) => {
  fs.writeFileSync(`${scratch}/outside`, OUTSIDE);
  const escape = `${tree}/srv/escape`;
  fs.mkdirSync(escape);
  // From staging and from the rwlayer: out of the tree, to the top level.
  fs.symlinkSync("../../../../../outside", `${escape}/staging`);
  fs.symlinkSync("../../../outside", `${escape}/rwlayer`);
  fs.symlinkSync(`${scratch}/outside`, `${escape}/absolute`);
  fs.chmodSync(tree, 0o711);
});
await disk.look((top) => {
  fs.writeFileSync(`${top}/outside`, OUTSIDE);
});

await t.test(
  "a top layer on the root filesystem is laid over the image",
  async (t) => {
    await disk.look((top) => makeTopLayer(`${top}/machines/blue`));
    const machine = rehearse(t, disk, "same");
    await checkBoot(t, machine, {
      options: `toplayer=LABEL=${disk.label} toplayer_path=/machines/blue`,
      name: `LABEL=${disk.label}:/machines/blue`,
      withTopLayer: (work) => disk.look((top) => work(`${top}/machines/blue`)),
    });
    t.equal(
      await exclusiveBytes("same", "srv/top-data"),
      0,
      "the data is shared",
    );

    await disk.look((top) => {
      fs.symlinkSync("/machines/blue", `${top}/machines/by-link`);
    });
    const { status, stderr } = machine.boot(
      `toplayer=${disk.device} toplayer_path=machines/by-link`,
    );
    t.equal(status, 0, stderr);
    t.equal(machine.finish().status, 0);
    t.match(
      await readFile("same/etc/hostname"),
      "this-machine",
      "found through a link",
    );
  },
);

await t.test(
  "a top layer that is all of an ext4 is laid over the image",
  async (t) => {
    const label = newLabel().slice(-16);
    const file = path.join(disk.scratch, "ext4");
    fs.writeFileSync(file, "");
    fs.truncateSync(file, 64 * 1024 ** 2);
    await run(["mkfs.ext4", "-q", "-L", label, file]);
    await attach(t, file);
    await lookAt(file, makeTopLayer, ["rw"]);
    const before = hashFile(file);
    const machine = rehearse(t, disk, "ext4");
    await checkBoot(t, machine, {
      options: `toplayer=LABEL=${label}`,
      name: `LABEL=${label}:/`,
      withTopLayer: (work) => lookAt(file, work, ["ro"]),
    });
    t.equal(hashFile(file), before, "the top layer's disk is as it was");
    t.ok((await exclusiveBytes("ext4", "srv/top-data")) >= 300_000);
  },
);

await t.test(
  "a top layer in a subvolume of another btrfs is laid over the image",
  async (t) => {
    const label = newLabel();
    const file = path.join(disk.scratch, "btrfs");
    await makeDisk(file, { label, sizeBytes: 128 * 1024 ** 2 });
    await attach(t, file);
    const fill = async (top: string) => {
      await run(["btrfs", "subvolume", "create", `${top}/all`]);
      await makeTopLayer(`${top}/all/machines/blue`);
      await run(["btrfs", "subvolume", "create", `${top}/empty`]);
      await run(["btrfs", "subvolume", "set-default", `${top}/empty`]);
    };
    await lookAt(file, fill, ["rw"]);
    const machine = rehearse(t, disk, "btrfs");
    await checkBoot(t, machine, {
      options: `toplayer=LABEL=${label} toplayerfstype=btrfs toplayerflags=noatime,subvol=all toplayer_path=machines/blue`,
      name: `LABEL=${label}:/machines/blue`,
      withTopLayer: (work) =>
        lookAt(file, (top) => work(`${top}/machines/blue`), ["subvol=all"]),
    });
    const fromTopLevel = machine.boot(
      `toplayer=LABEL=${label} toplayer_path=all/machines/blue`,
    );
    t.equal(
      fromTopLevel.status,
      0,
      "without subvol= the path begins at the top level",
    );
    t.equal(machine.finish().status, 0);
  },
);

await t.test(
  "a top layer in a subvolume of the root filesystem is laid over the image",
  async (t) => {
    await disk.look(async (top) => {
      await run(["btrfs", "subvolume", "create", `${top}/files`]);
      await makeTopLayer(`${top}/files/blue`);
    });
    const machine = rehearse(t, disk, "subvolume");
    await checkBoot(t, machine, {
      options: `toplayer=LABEL=${disk.label} toplayerflags=subvol=files toplayer_path=blue`,
      name: `LABEL=${disk.label}:/blue`,
      withTopLayer: (work) => disk.look((top) => work(`${top}/files/blue`)),
    });
  },
);

await t.test(
  "a file replaces the image's link, and what that led to is left alone",
  async (t) => {
    const names = ["staging", "rwlayer", "absolute"];
    await disk.look((top) => {
      const escape = `${top}/machines/escape/srv/escape`;
      fs.mkdirpSync(escape);
      for (const name of names) {
        fs.writeFileSync(`${escape}/${name}`, "from the top layer");
      }
    });
    const machine = rehearse(t, disk, "links");
    const { status, stderr } = machine.boot(
      `toplayer=LABEL=${disk.label} toplayer_path=machines/escape`,
    );
    t.equal(status, 0, stderr);
    t.equal(machine.finish().status, 0);
    for (const name of names) {
      t.equal(await readFile(`links/srv/escape/${name}`), "from the top layer");
    }
    await checkOutside(t);
  },
);

await t.test(
  "a top layer that cannot be copied leaves the former rwlayer in place",
  async (t) => {
    const machine = rehearse(t, disk, "full");
    t.equal(machine.boot().status, 0);
    t.equal(machine.finish().status, 0);
    const file = path.join(disk.scratch, "large");
    const label = newLabel();
    await makeDisk(file, { label, sizeBytes: 256 * 1024 ** 2 });
    await attach(t, file);
    const fill = (top: string) =>
      run(["sh", "-c", `head -c 64M /dev/urandom >"$0/large"`, top]);
    await lookAt(file, fill, ["rw"]);
    await disk.look(async (top) => {
      const free = Number(await run(["stat", "-f", "-c", "%a", top])) * 4096;
      await run([
        "fallocate",
        "-l",
        String(free - 32 * 1024 ** 2),
        `${top}/filler`,
      ]);
    });
    const before = await disk.subvolumes();

    const { status, stderr } = machine.boot(`toplayer=LABEL=${label}`);
    t.equal(status, 1);
    t.match(
      stderr,
      /cannot copy the top layer .*\n {2}because: cp .*No space left on device/,
    );
    t.equal(machine.record().failure?.code, "STEP_FAILED");
    const { [`.dockroot/full/staging`]: _staging, ...after } =
      await disk.subvolumes();
    t.strictSame(after, before);
    t.strictSame(ownMounts(machine), []);

    const next = machine.boot();
    t.equal(next.status, 0, `the next boot works: ${next.stderr}`);
    t.equal(machine.finish().status, 0);
    await disk.look((top) => {
      fs.removeSync(`${top}/filler`);
    });
  },
);

await t.test("a top layer that is not usable is refused", async (t) => {
  await disk.look((top) => {
    fs.writeFileSync(`${top}/machines/file`, "");
    fs.symlinkSync("/nowhere", `${top}/machines/dangling`);
    fs.symlinkSync("loop", `${top}/machines/loop`);
    fs.mkdirSync(`${top}/machines/latin1`);
    fs.writeFileSync(
      Buffer.from(`${top}/machines/latin1/caf\xe9`, "latin1"),
      "",
    );
  });
  const machine = rehearse(t, disk, "unusable");
  for (const [directory, code] of Object.entries({
    "machines/nothing": "TOPLAYER_MISSING",
    "machines/file": "TOPLAYER_MISSING",
    "machines/dangling": "TOPLAYER_MISSING",
    "machines/loop": "TOPLAYER_MISSING",
    "machines/latin1": "TOPLAYER_UNSUITABLE",
    "/": "TOPLAYER_UNSUITABLE",
  })) {
    const { status, stderr } = machine.boot(
      `toplayer=LABEL=${disk.label} toplayer_path=${directory}`,
    );
    t.equal(status, 1, stderr);
    t.equal(machine.record().failure?.code, code, `${directory}: ${stderr}`);
    t.match(stderr, /^ {2}what to do: /m);
    t.strictSame(ownMounts(machine), []);
  }
  t.notOk((await disk.subvolumes())["unusable"]);
});

/** The rwlayer is the image with the top layer over it; image and top layer are as they were. */
async function checkBoot(
  t: Test,
  machine: Rehearsal,
  {
    options,
    name,
    withTopLayer,
  }: {
    options: string;
    name: string;
    withTopLayer: Look;
  },
): Promise<void> {
  const topLayer = await withTopLayer((at) =>
    listTree(at, { changeTimes: true }),
  );
  const source = (top: string) =>
    listTree(`${top}/${machine.record().source}`, { changeTimes: true });
  const plain = machine.boot();
  t.equal(plain.status, 0, plain.stderr);
  t.equal(machine.finish().status, 0);
  const image = await disk.look(source);

  const { status, stderr } = machine.boot(options);
  t.equal(status, 0, stderr);
  t.strictSame(ownMounts(machine), ["toplevel"], "its mount is released");
  t.equal(machine.finish().status, 0);
  const { digest, ...counts } = machine.record().toplayer ?? {};
  t.match(digest, /^[0-9a-f]{64}$/);
  t.strictSame(counts, { name, ...countListing(topLayer) });

  const tree = await disk.look((top) => listTree(`${top}/${machine.rwlayer}`));
  t.strictSame(
    compareListings(
      withoutOwnRecord(tree),
      withoutOwnRecord(overlayListing(image, topLayer)),
    ),
    [],
  );
  t.equal(entryOf(tree, "").mode, "711", "its root directory is the image's");
  const blocks = await disk.look(
    (top) => fs.statSync(`${top}/${machine.rwlayer}/srv/top-sparse`).blocks,
  );
  t.ok(blocks < 64, `a sparse file stays sparse: ${String(blocks)} blocks`);
  t.strictSame(
    compareListings(await disk.look(source), image),
    [],
    "the image",
  );
  t.strictSame(
    compareListings(
      await withTopLayer((at) => listTree(at, { changeTimes: true })),
      topLayer,
    ),
    [],
    "the top layer",
  );
  await checkOutside(t);
}

function countListing(tree: TreeListing) {
  const { "": _root, ...below } = tree;
  const entries = Object.values(below);
  const count = (is: (entry: TreeEntry) => boolean) =>
    entries.filter(is).length;
  return {
    files: count(({ kind }) => kind === "file"),
    directories: count(({ kind }) => kind === "directory"),
    symlinks: count(({ kind }) => kind === "symlink"),
    others: count(({ kind }) => /fifo|char|block|socket/.test(kind)),
    bytes: entries.reduce((sum, { size = 0 }) => sum + size, 0),
  };
}

async function checkOutside(t: Test): Promise<void> {
  t.equal(await readFile("outside"), OUTSIDE);
  t.equal(fs.readFileSync(`${disk.scratch}/outside`, "utf8"), OUTSIDE);
}

async function makeTopLayer(directory: string): Promise<void> {
  fs.mkdirpSync(directory);
  await run(["sh", "-ec", TOP_LAYER], { cwd: directory });
}

type Look = <T>(work: (directory: string) => T | Promise<T>) => Promise<T>;

function readFile(file: string): Promise<string> {
  return disk.look((top) => fs.readFileSync(`${top}/${file}`, "utf8"));
}

/** How much of a file's data nothing else on the filesystem shares. */
async function exclusiveBytes(root: string, file: string): Promise<number> {
  const text = await disk.look(async (top) => {
    // All that is in the root is in its base as well.
    const bases = `${top}/.dockroot/${root}/bases`;
    for (const name of fs.readdirSync(bases)) {
      await run(["btrfs", "subvolume", "delete", `${bases}/${name}`]);
    }
    await run(["btrfs", "subvolume", "sync", top]);
    return run([
      "btrfs",
      "filesystem",
      "du",
      "--raw",
      `${top}/${root}/${file}`,
    ]);
  });
  const [, , exclusive] = /^\s*(\d+)\s+(\d+)\s/m.exec(text) ?? [];
  return Number(exclusive);
}

/** The names of what a run has mounted. */
function ownMounts({ runDirectory }: Rehearsal): string[] {
  return parseMountinfo(fs.readFileSync("/proc/self/mountinfo", "utf8"))
    .map(({ mountPoint }) => mountPoint)
    .filter((point) => point.startsWith(`${runDirectory}/`))
    .map((point) => path.relative(runDirectory, point));
}

function hashFile(file: string): string {
  return createHash("sha256").update(fs.readFileSync(file)).digest("hex");
}
