// runner: tier=first seconds=19
import fs from "fs-extra";
import path from "node:path";
import t, { type Test } from "tap";
import { giveOddAttributes } from "../../../fixtures/odd-attributes.ts";
import { overlayListing } from "../../../fixtures/overlay-listing.ts";
import { run } from "../../../fixtures/run.ts";
import {
  moveEntry,
  withoutEntry,
} from "../../../fixtures/tree-listing-parts.ts";
import {
  compareListings,
  entryOf,
  listTree,
  type TreeListing,
} from "../../../fixtures/tree-listing.ts";
import { makeSocket } from "../../faults/odd-files.ts";
import { makeBootDisk, rehearse, type BootRecord } from "../boot-disk.ts";
import { withoutOwnRecord } from "../made-root.ts";
import { layersOption } from "./layers-option.ts";
import { addEngineArtifacts, mergeUsr, WAYS } from "./merged-usr.ts";

// How a top layer is laid over an image as distributions make them.

const LEFT_OVERS = [".dockerenv", "etc/resolv.conf", "etc/hosts"];
const MANY = 30_000;
/** More than two calls of cp are shown. */
const MANY_APART = 150;

/** Directories of the image that the top layer has too, with what must not stay of them. */
const APART_IN_IMAGE = `
mkdir -p apart/whiteout/deep apart/opaque/deep apart/plain; cd apart
for directory in whiteout opaque plain; do echo image >"$directory/image"; done
echo image >whiteout/gone; echo image >opaque/deep/file
chown 7:8 whiteout plain; chmod 3775 opaque plain
setfacl -m u:9:rwx,d:u:9:rwx whiteout opaque plain
setfattr -n user.image -v kept whiteout; setfattr -n trusted.image -v kept opaque
`;

const disk = await makeBootDisk(t, "toplayer-merge", async (tree) => {
  await mergeUsr(tree);
  addEngineArtifacts(tree);
  await run(["sh", "-ec", APART_IN_IMAGE], { cwd: tree });
});
const plain = rehearse(t, disk, "plain");
const plainStart = plain.boot();
plain.finish();
const plainRecord = plain.record();
const image = await list(plainRecord.source ?? "");
/** The image's tree as a root begins with it. */
const base = LEFT_OVERS.reduce(withoutEntry, image);

await t.test(
  "what an engine left in the image is removed, and told",
  async (t) => {
    t.equal(plainStart.status, 0, plainStart.stderr);
    t.strictSame(plainRecord.warnings, []);
    checkTree(t, await list("plain"), base, ["", "etc"]);
    const removal = `remove files that an engine left in the image: ${LEFT_OVERS.map((file) => `/${file}`).join(", ")}`;
    t.ok(plainRecord.steps.some(({ step }) => step === removal));
    t.match(plainStart.stderr, removal);
  },
);

await t.test("what the top layer brings of it stays, even empty", async (t) => {
  await layer(
    "left-overs",
    "mkdir etc; echo 'nameserver 192.0.2.1' >etc/resolv.conf; : >etc/hosts; : >.dockerenv",
  );
  await start(t, "left-overs", ["left-overs"]);
  const root = await list("left-overs");
  checkTree(t, root, overlayListing(base, await list("layers/left-overs")));
});

await t.test("what is in a root that is kept is its owner's", async (t) => {
  const keep = "dockroot.rwlayer=keep dockroot.toplayer=always";
  await layer("keep", "mkdir etc; echo first >etc/first");
  await start(t, "kept", ["keep"], keep);
  await disk.look((top) => {
    for (const file of LEFT_OVERS) fs.writeFileSync(`${top}/kept/${file}`, "");
  });
  await layer("keep", "echo second >etc/second");
  await start(t, "kept", ["keep"], keep);
  const root = await list("kept");
  for (const file of [...LEFT_OVERS, "etc/first", "etc/second"]) {
    t.equal(root[file]?.kind, "file", file);
  }
});

await t.test(
  "a merged /usr: what comes by a link lands in its target",
  async (t) => {
    await layer(
      "usr",
      `mkdir -p lib/deep usr/lib/deep bin sbin usr/bin var/run var/lock run etc var/log
    for directory in lib lib/deep usr/lib usr/lib/deep bin sbin usr/bin var/run var/lock run etc var/log; do
      echo "$directory" >"$directory/from-$(echo "$directory" | tr / -)"
      echo "$directory" >"$directory/same"
      mkdir "$directory/new-$(echo "$directory" | tr / -)"
    done
    ln -s from-lib lib/link; ln lib/from-lib usr/lib/hard; ln lib/from-lib usr/hard
    ln lib/from-lib etc/hard; ln lib/from-lib hard; ln lib/from-lib var/run/hard
    ln bin/from-bin sbin/hard; ln bin/from-bin bin/hard
    ln -P lib/link etc/link; mkfifo lib/FIFO; ln lib/FIFO var/run/FIFO; mknod bin/device c 1 3; ln bin/device usr/device`,
      { attributes: 3000 },
    );
    const { warnings } = await start(t, "usr", ["usr"]);
    t.strictSame(warnings, []);
    const root = await list("usr");
    const landed = WAYS.reduce(
      (listing, [link, directory]) => moveEntry(listing, link, directory),
      await list("layers/usr"),
    );
    checkTree(t, root, overlayListing(base, landed));
    t.strictSame(entryOf(root, "hard").names, [
      "etc/hard",
      "hard",
      "run/hard",
      "usr/hard",
      "usr/lib/from-lib",
      "usr/lib/hard",
    ]);
    t.strictSame(entryOf(root, "etc/link").names, ["etc/link", "usr/lib/link"]);
    t.strictSame(entryOf(root, "run/FIFO").names, ["run/FIFO", "usr/lib/FIFO"]);
    t.strictSame(entryOf(root, "usr/device").names, [
      "usr/bin/device",
      "usr/device",
    ]);
    for (const [link] of WAYS) {
      t.strictSame(entryOf(root, link), entryOf(image, link), `${link} stays`);
    }
  },
);

await t.test(
  "a directory that is taken apart has the top layer's attributes",
  async (t) => {
    const make = `
    mkdir -p apart/whiteout/deep apart/opaque/deep apart/plain apart/new-whiteout/deep apart/new-socket/deep
    cd apart
    for directory in whiteout opaque plain new-whiteout new-socket; do echo layer >"$directory/layer"; done
    for directory in whiteout opaque new-whiteout new-socket; do echo layer >"$directory/deep/layer"; done
    mkdir -p whiteout/.wh.gone/deep; ln -s layer opaque/.wh..wh..opq; : >new-whiteout/.wh.nothing
    mkdir -p plain/new/deep; mkfifo plain/FIFO; mknod plain/device c 1 3; ln -s layer plain/link
    : >plain/.wh.image; : >plain/new/.wh.nothing; cp --archive "$SOCKET" new-socket/socket`;
    const socket = path.join(disk.scratch, "socket");
    await makeSocket(socket);
    const env = { SOCKET: socket };
    const removed = [
      "whiteout/gone",
      "opaque/deep",
      "opaque/image",
      "plain/image",
    ];
    const notCopied = [
      ...["whiteout/.wh.gone", "opaque/.wh..wh..opq", "plain/.wh.image"],
      ...["plain/new/.wh.nothing", "new-whiteout/.wh.nothing"],
      "new-socket/socket",
    ];
    const without = (listing: TreeListing, names: readonly string[]) =>
      names.map((name) => `apart/${name}`).reduce(withoutEntry, listing);
    for (const [name, attributes] of [
      ["odd", 4000],
      ["ordinary", undefined],
    ] as const) {
      await layer(name, make, { attributes, env });
      const { warnings } = await start(t, name, [name]);
      t.match(warnings, [/socket \/apart\/new-socket\/socket is skipped/]);
      t.equal(warnings.length, 1);
      const above = without(await list(`layers/${name}`), notCopied);
      checkTree(
        t,
        await list(name),
        overlayListing(without(base, removed), above),
        ["", "etc"],
      );
    }
  },
);

await t.test(
  "several layers: each is laid over the result of the ones before",
  async (t) => {
    await layer(
      "a",
      "mkdir -p l/opaque l/a; echo a >l/one; echo a >l/two; echo a >l/a/a; echo a >l/opaque/a; ln -s a l/link; ln -s opaque l/gone",
      { attributes: 5000 },
    );
    await layer(
      "b",
      "mkdir -p l/opaque l/link; echo b >l/link/b; : >l/.wh.one; : >l/.wh.gone; : >l/.wh.two; echo b >l/two; : >l/opaque/.wh..wh..opq; echo b >l/opaque/b",
      { attributes: 6000 },
    );
    await layer(
      "c",
      "mkdir -p l/opaque; echo c >l/one; : >l/opaque/.wh.b; : >l/link; echo c >l/opaque/c; echo c >l/a",
      { attributes: 7000 },
    );
    const { toplayer, warnings } = await start(t, "several", ["a", "b", "c"]);
    t.equal(
      toplayer?.name,
      `LABEL=${disk.label}:/layers/a:/layers/b:/layers/c`,
    );
    t.match(toplayer, { files: 16, directories: 8, symlinks: 2, others: 0 });
    t.match(warnings, [
      /^the top layer's file \/l\/a replaces a directory of /,
    ]);
    t.equal(warnings.length, 1);
    const [a, b, c] = [
      await list("layers/a"),
      await list("layers/b"),
      await list("layers/c"),
    ];
    const only = (listing: TreeListing, names: readonly string[]) =>
      Object.fromEntries(names.map((name) => [name, entryOf(listing, name)]));
    const landed = {
      ...only(b, ["l/two"]),
      ...only(c, ["l", "l/a", "l/link", "l/one", "l/opaque", "l/opaque/c"]),
    };
    const directories = overlayListing(
      only(a, ["l", "l/opaque"]),
      only(b, ["l", "l/opaque"]),
    );
    checkTree(
      t,
      await list("several"),
      overlayListing(overlayListing(base, directories), landed),
      ["", "etc"],
    );
  },
);

await t.test("names that are not valid UTF-8", async (t) => {
  await layer(
    "latin1",
    String.raw`
    mkdir -p directory/deep lib etc; e=$(printf '\351')
    echo 1 >directory/caf$e; echo 2 >"directory/deep/$e"; ln "directory/deep/$e" "lib/$e"; ln -s "$e" "etc/link-$e"
    mkdir "lib/directory-$e"; echo 3 >"lib/directory-$e/$e"; echo 4 >directory/gone-$e`,
    { attributes: 8000 },
  );
  await layer(
    "latin1-whiteout",
    String.raw`
    mkdir -p directory; e=$(printf '\351'); : >directory/.wh.gone-$e`,
    { attributes: 8500 },
  );
  await start(t, "latin1", ["latin1", "latin1-whiteout"]);
  const landed = moveEntry(await list("layers/latin1"), "lib", "usr/lib");
  const { directory = entryOf(landed, "directory") } = await list(
    "layers/latin1-whiteout",
  );
  checkTree(
    t,
    await list("latin1"),
    overlayListing(
      base,
      overlayListing(withoutEntry(landed, "directory/gone-\xe9"), {
        directory,
      }),
    ),
  );

  await layer(
    "latin1-apart",
    String.raw`
    mkdir -p apart; : >apart/.wh.nothing; : >"apart/$(printf 'caf\351')"`,
  );
  const machine = rehearse(t, disk, "latin1");
  const before = await disk.subvolumes();
  const { status } = machine.boot(layersOption(disk, ["latin1-apart"]));
  t.equal(status, 1);
  t.equal(machine.record().failure?.code, "TOPLAYER_UNSUITABLE");
  const { [".dockroot/latin1/staging"]: _staging, ...after } =
    await disk.subvolumes();
  t.strictSame(after, before, "the former root stays");
});

await t.test(`${String(MANY_APART)} directories with whiteouts`, async (t) => {
  await layer(
    "many-apart",
    `for number in $(seq ${String(MANY_APART)}); do mkdir "many-$number"; : >"many-$number/.wh.gone"; done`,
    { attributes: 5000 },
  );
  await start(t, "many-apart", ["many-apart"]);
  const brought = await list("layers/many-apart");
  const landed = Object.keys(brought)
    .filter((name) => name.endsWith("/.wh.gone"))
    .reduce(withoutEntry, brought);
  const expected = overlayListing(base, landed);
  // The left-overs are removed from /etc.
  checkTree(t, await list("many-apart"), expected, ["", "etc"]);
});

await t.test(`${String(MANY)} names with hard links among them`, async (t) => {
  // From both ends to the middle: no call of cp has both names of many of them.
  const nameOf = (number: number) => `name-${String(number).padStart(5, "0")}`;
  const linkOf = (number: number) => nameOf(MANY - 1 - number);
  const linked = Array.from({ length: MANY / 200 }, (_, index) => 100 * index);
  await disk.look((top) => {
    const directory = `${top}/layers/many`;
    fs.mkdirpSync(directory);
    const links = new Set(linked.map(linkOf));
    for (let number = 0; number < MANY; number += 1) {
      const name = nameOf(number);
      if (!links.has(name)) fs.writeFileSync(`${directory}/${name}`, name);
    }
    for (const number of linked) {
      fs.linkSync(
        `${directory}/${nameOf(number)}`,
        `${directory}/${linkOf(number)}`,
      );
    }
  });
  await start(t, "many", ["many"]);
  await disk.look((top) => {
    const names = fs
      .readdirSync(`${top}/many`)
      .filter((name) => name.startsWith("name-"));
    t.equal(names.length, MANY);
    const read = (name: string) =>
      fs.readFileSync(`${top}/many/${name}`, "utf8");
    const inode = (name: string) => fs.statSync(`${top}/many/${name}`).ino;
    for (const number of linked) {
      const [name, link] = [nameOf(number), linkOf(number)];
      if (read(link) === name && inode(link) === inode(name)) continue;
      t.fail(`${link} is not ${name}`);
    }
    t.equal(read(nameOf(MANY / 2)), nameOf(MANY / 2));
  });
});

function list(directory: string): Promise<TreeListing> {
  return disk.look((top) => listTree(`${top}/${directory}`));
}

/** Adds to a top layer. */
async function layer(
  name: string,
  script: string,
  {
    attributes,
    env,
  }: { attributes?: number | undefined; env?: NodeJS.ProcessEnv } = {},
): Promise<void> {
  await disk.look(async (top) => {
    const directory = `${top}/layers/${name}`;
    fs.mkdirpSync(directory);
    await run(["sh", "-ec", script], { cwd: directory, env: env ?? {} });
    if (attributes !== undefined)
      await giveOddAttributes(directory, attributes);
  });
}

async function start(
  t: Test,
  rwlayer: string,
  layers: readonly string[],
  options = "",
): Promise<BootRecord> {
  const machine = rehearse(t, disk, rwlayer);
  const { status, stderr } = machine.boot(
    `${layersOption(disk, layers)} ${options}`,
  );
  t.equal(status, 0, stderr);
  t.equal(machine.finish().status, 0);
  return { ...machine.record(), warnings: machine.warnings() };
}

/** @param changed directories in which the merge itself changed names: only their times may differ */
function checkTree(
  t: Test,
  root: TreeListing,
  expected: TreeListing,
  changed: readonly string[] = [""],
): void {
  const withoutTimes = (listing: TreeListing) => ({
    ...listing,
    ...Object.fromEntries(
      changed.map((name) => [name, { ...entryOf(listing, name), mtime: "" }]),
    ),
  });
  t.strictSame(
    compareListings(
      withoutOwnRecord(withoutTimes(root)),
      withoutOwnRecord(withoutTimes(expected)),
    ),
    [],
  );
}
