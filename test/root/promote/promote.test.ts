// runner: tier=first seconds=40 whole=300
import fs from "fs-extra";
import t from "tap";
import { createRandom } from "../../../fixtures/random.ts";
import { run } from "../../../fixtures/run.ts";
import { listTree } from "../../../fixtures/tree-listing.ts";
import { isWholeTier, sampleSeed } from "../../tier.ts";
import { makeDiffMachine } from "../diff/diff-machine.ts";
import { changeRandomly } from "../diff/random-changes.ts";

const TREE = "srv/tree";
const PASSWD = "root:x:0:0::/root:/bin/sh\n";

const machine = await makeDiffMachine(
  t,
  "promote",
  (tree) => {
    for (let index = 0; index < 60; index += 1) {
      const file = `${tree}/${TREE}/d${String(index % 7)}/e${String(index % 3)}/f${String(index)}`;
      fs.outputFileSync(file, `${String(index)}\n`.repeat(index * 10));
    }
    fs.outputFileSync(`${tree}/etc/hosts`, "127.0.0.1 localhost\n");
    fs.outputFileSync(`${tree}/etc/motd`, "of the image\n");
    fs.outputFileSync(`${tree}/etc/issue`, "of the image\n");
    fs.outputFileSync(`${tree}/etc/group`, "root:x:0:\n");
    fs.outputFileSync(
      `${tree}/var/lib/dpkg/status`,
      "Package: base\nStatus: install ok installed\nVersion: 1\n",
    );
  },
  "toplayer",
);
const { disk, boot, dockroot, inRoot } = machine;
await disk.look((top) => {
  fs.outputFileSync(`${top}/toplayer/etc/passwd`, PASSWD);
  fs.outputFileSync(`${top}/toplayer/etc/shadow`, "root:!:1::::::\n");
  fs.chmodSync(`${top}/toplayer/etc/shadow`, 0o640);
  fs.outputFileSync(`${top}/toplayer/etc/own`, "of the machine\n");
});

function succeeds(...args: string[]): string {
  const { status, stdout, stderr } = dockroot(...args);
  t.equal(status, 0, stderr + stdout);
  return stdout;
}

const listLayer = () => disk.look((top) => listTree(`${top}/toplayer`));

const besideLayer = () =>
  disk.look((top) =>
    fs.readdirSync(top).filter((name) => name.startsWith("toplayer")),
  );

await t.test("a dry run", async (t) => {
  boot();
  await inRoot((root) => {
    fs.appendFileSync(`${root}/etc/hosts`, "10.0.0.1 other\n");
    fs.removeSync(`${root}/etc/issue`);
    fs.removeSync(`${root}/etc/own`);
    fs.outputFileSync(`${root}/etc/new/file`, "new\n");
    fs.chmodSync(`${root}/etc/new`, 0o750);
    fs.outputFileSync(`${root}/etc/.wh.odd`, "");
    fs.chmodSync(`${root}/srv`, 0o711);
  });
  const before = await listLayer();
  const stdout = succeeds("promote", "/etc", "--dry-run");
  t.match(stdout, "would be copied into the top layer");
  t.match(stdout, "- /etc/issue");
  t.match(stdout, /its name cannot be in a top layer.*\n.*\.wh\.odd/);
  t.strictSame(await listLayer(), before);
});

await t.test("files, directories, deletions", async (t) => {
  succeeds("promote", "/etc", "/srv");
  t.strictSame(await besideLayer(), ["toplayer"]);
  const layer = await listLayer();
  t.ok(layer["etc/.wh.issue"], "the image has it");
  t.notOk(layer["etc/.wh.own"], "the top layer alone had it");
  t.notOk(layer["etc/own"]);
  t.equal(layer["etc/new"]?.mode, "750");
  t.equal(layer["srv"]?.mode, "711");
  t.equal(layer["etc/shadow"]?.mode, "640");
  const before = await inRoot((root) => listTree(`${root}/etc`));
  boot();
  const after = await inRoot((root) => listTree(`${root}/etc`));
  const { ".wh.odd": _, ...rest } = before;
  t.strictSame(after, rest);
  t.match(
    succeeds("diff"),
    "Nothing has changed in this root (boot 2, system:1)",
  );
});

await t.test("accounts, where the top layer has others by now", async (t) => {
  const ann = "ann:x:1000:1000::/home/ann:/bin/sh\n";
  const bob = "bob:x:1001:1001::/home/bob:/bin/sh\n";
  await inRoot((root, top) => {
    fs.appendFileSync(`${root}/etc/passwd`, ann);
    fs.appendFileSync(`${root}/etc/shadow`, "ann:$6$x:1::::::\n");
    fs.appendFileSync(`${root}/etc/group`, "ann:x:1000:\n");
    fs.appendFileSync(`${top}/toplayer/etc/passwd`, bob);
  });
  succeeds("promote", "/etc/passwd", "/etc/shadow", "/etc/group");
  await disk.look((top) => {
    const read = (name: string) =>
      fs.readFileSync(`${top}/toplayer/etc/${name}`, "utf8");
    t.equal(read("passwd"), `${PASSWD}${bob}${ann}`);
    t.match(read("shadow"), "ann:$6$x");
    t.match(read("group"), "ann:x:1000");
    t.equal(fs.statSync(`${top}/toplayer/etc/shadow`).mode & 0o777, 0o640);
  });
});

await t.test("what the top layer has got since", async (t) => {
  await inRoot((root, top) => {
    fs.writeFileSync(`${root}/etc/hosts`, "of the root\n");
    fs.writeFileSync(`${top}/toplayer/etc/hosts`, "of somebody else\n");
  });
  const before = await listLayer();
  const { status, stderr } = dockroot("promote", "/etc/hosts");
  t.equal(status, 1);
  t.match(stderr, "has been changed since this boot where this root has, too");
  t.match(stderr, "--force");
  t.strictSame(await listLayer(), before);
  succeeds("promote", "/etc/hosts", "--force");
  await disk.look((top) => {
    const text = fs.readFileSync(`${top}/toplayer/etc/hosts`, "utf8");
    t.equal(text, "of the root\n");
  });
});

await t.test("what would be an error", async (t) => {
  await inRoot((root) => {
    fs.writeFileSync(`${root}/etc/shadow`, "");
    fs.chmodSync(`${root}/etc/shadow`, 0o666);
  });
  const before = await listLayer();
  const { status, stderr } = dockroot("promote", "/etc/shadow");
  t.equal(status, 1, stderr);
  t.match(stderr, "with this the top layer would have an error");
  t.strictSame(await listLayer(), before);
  t.strictSame(await besideLayer(), ["toplayer"]);
});

await t.test("what a package has brought", async (t) => {
  boot();
  await inRoot((root) => {
    fs.appendFileSync(
      `${root}/var/lib/dpkg/status`,
      "\nPackage: tool\nStatus: install ok installed\nVersion: 2\n",
    );
    fs.outputFileSync(
      `${root}/var/lib/dpkg/info/tool.list`,
      "/.\n/etc\n/etc/tool.conf\n/usr/bin/tool\n",
    );
    fs.outputFileSync(`${root}/etc/tool.conf`, "its own\n");
    fs.outputFileSync(`${root}/usr/bin/tool`, "tool");
    fs.outputFileSync(`${root}/etc/mine`, "mine\n");
  });
  const line =
    "RUN apt-get update && apt-get install --yes --no-install-recommends tool";
  t.equal(succeeds("promote", "/", "--dockerfile"), `${line}\n`);
  const told = JSON.parse(
    succeeds("promote", "/etc", "/usr", "/var", "--json"),
  ) as unknown;
  t.match(told, {
    promoted: [{ path: "/etc/mine", kind: "added" }],
    dockerfile: [line],
  });
  const layer = await listLayer();
  t.notOk(layer["etc/tool.conf"]);
  succeeds("promote", "/etc/tool.conf");
  t.ok((await listLayer())["etc/tool.conf"], "asked for by its name");
});

await t.test("back to what it was", async (t) => {
  boot();
  const before = await inRoot((root) => listTree(root));
  await inRoot((root) => {
    changeRandomly(`${root}/${TREE}`, createRandom(sampleSeed(), 99), 50);
    fs.removeSync(`${root}/etc/motd`);
    fs.outputFileSync(`${root}/etc/other/file`, "other\n");
  });
  const { status, stderr } = dockroot("discard", "/");
  t.equal(status, 1);
  t.match(stderr, "there is no terminal to ask on");
  succeeds("discard", "/", "--yes");
  const after = await inRoot((root) => listTree(root));
  const withoutTimes = (listing: typeof before) =>
    Object.entries(listing)
      .map(([file, entry]) => [file, { ...entry, mtime: "" }] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1));
  t.strictSame(withoutTimes(after), withoutTimes(before));
});

await t.test("random changes", async (t) => {
  const rounds = isWholeTier() ? 20 : 1;
  for (let round = 0; round < rounds; round += 1) {
    boot();
    await inRoot(async (root) => {
      const random = createRandom(sampleSeed(), round);
      changeRandomly(`${root}/${TREE}`, random, 100);
      // ACLs and the like of a directory that the image has are not carried over.
      await run([
        ...["find", `${root}/${TREE}`, "-type", "d", "-exec"],
        ...["setfattr", "--remove=user.a", "{}", "+"],
      ]).catch(() => undefined);
    });
    const before = await inRoot((root) => listTree(`${root}/${TREE}`));
    succeeds("promote", `/${TREE}`);
    boot();
    const after = await inRoot((root) => listTree(`${root}/${TREE}`));
    t.strictSame(
      after,
      before,
      `round ${String(round)} of seed ${String(sampleSeed())}`,
    );
  }
});
