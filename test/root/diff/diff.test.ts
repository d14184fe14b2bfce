// runner: tier=first seconds=30 whole=300
import fs from "fs-extra";
import t from "tap";
import { createRandom } from "../../../fixtures/random.ts";
import { run } from "../../../fixtures/run.ts";
import { listTree } from "../../../fixtures/tree-listing.ts";
import { conforms } from "../../conforms.ts";
import { isWholeTier, sampleSeed } from "../../tier.ts";
import { makeDiffMachine } from "./diff-machine.ts";
import { expectedChanges } from "./expected-changes.ts";
import { changeRandomly } from "./random-changes.ts";

interface Described {
  readonly changes: readonly {
    path: string;
    kind: string;
    aspects: readonly string[];
    files: number;
  }[];
  readonly leftOut: number;
  readonly nested: readonly string[];
}

const TREE = "srv/tree";
const BASES = ".dockroot/docker_rwlayer/bases";

const machine = await makeDiffMachine(t, "diff", (tree) => {
  for (let index = 0; index < 200; index += 1) {
    const file = `${tree}/${TREE}/d${String(index % 7)}/e${String(index % 3)}/f${String(index)}`;
    fs.outputFileSync(file, `${String(index)}\n`.repeat(index * 10));
  }
  fs.outputFileSync(`${tree}/etc/hosts`, "127.0.0.1 localhost\n");
  fs.outputFileSync(`${tree}/usr/bin/tool`, "tool");
  fs.outputFileSync(`${tree}/usr/bin/dir/file`, "of the image");
  fs.outputFileSync(`${tree}/etc/\u00e9t\u00e9`, "of the image");
  fs.writeFileSync(oddName(tree), "of the image");
});
const { disk, boot, dockroot, inRoot } = machine;

/** Not UTF-8. */
function oddName(root: string): Buffer {
  return Buffer.concat([Buffer.from(`${root}/etc/`), Buffer.from([0xff])]);
}

function diff(...args: string[]): Described {
  const { status, stdout, stderr } = dockroot("diff", "--json", ...args);
  t.equal(status, 0, stderr);
  const output = JSON.parse(stdout) as Described;
  conforms(t, "diff", output);
  return output;
}

const told = ({ changes }: Described) =>
  Object.fromEntries(
    changes.map(({ path: file, kind, aspects }) => [
      file,
      [kind, ...aspects].join(" "),
    ]),
  );

await t.test("a root that nobody has changed", async (t) => {
  boot();
  await disk.look((top) => {
    t.strictSame(fs.readdirSync(`${top}/${BASES}`), ["1"]);
  });
  t.strictSame(told(diff()), {});
  const { stdout } = dockroot("diff", "--exit-code");
  t.match(stdout, /^Nothing has changed in this root \(boot 1, system:1\)/);
  const subvolumes = Object.keys(await disk.subvolumes());
  t.notOk(subvolumes.some((name) => name.includes("compared")));
});

await t.test("what was changed, and nothing else", async (t) => {
  await inRoot(async (root) => {
    fs.appendFileSync(`${root}/etc/hosts`, "10.0.0.1 other\n");
    fs.chmodSync(`${root}/usr/bin/tool`, 0o4755);
    fs.outputFileSync(`${root}/home/ann/letter`, "Dear ...");
    fs.removeSync(`${root}/${TREE}/d1`);
    fs.outputFileSync(`${root}/var/cache/x`, "");
    fs.outputFileSync(`${root}/etc/ssh/ssh_host_rsa_key`, "key");
    await run(["btrfs", "subvolume", "create", `${root}/srv/own`]);
    fs.chmodSync(`${root}/etc/\u00e9t\u00e9`, 0o600);
    fs.chmodSync(oddName(root), 0o600);
    // In the place of a directory.
    fs.removeSync(`${root}/usr/bin/dir`);
    await run(["btrfs", "subvolume", "create", `${root}/usr/bin/dir`]);
    fs.outputFileSync(`${root}/usr/bin/dir/file`, "own");
  });
  const found = diff();
  t.strictSame(told(found), {
    "/etc/hosts": "changed content",
    "/etc/ssh/ssh_host_rsa_key": "added",
    "/etc/\u00e9t\u00e9": "changed mode",
    "/etc/\ufffd": "changed mode",
    "/home/ann/letter": "added",
    [`/${TREE}/d1`]: "deleted",
    "/usr/bin/tool": "changed mode",
  });
  t.equal(found.leftOut, 1);
  t.strictSame(found.nested, ["/srv/own", "/usr/bin/dir"]);
  t.strictSame(told(diff("/etc", "/usr/bin/tool")), {
    "/etc/hosts": "changed content",
    "/etc/ssh/ssh_host_rsa_key": "added",
    "/etc/\u00e9t\u00e9": "changed mode",
    "/etc/\ufffd": "changed mode",
    "/usr/bin/tool": "changed mode",
  });
  const { stdout, status } = dockroot("diff", "--exit-code");
  t.equal(status, 3);
  t.match(stdout, "~ /etc/hosts  (content;");
  t.match(stdout, `- /${TREE}/d1/  (`);
});

await t.test("random changes", async (t) => {
  const rounds = isWholeTier() ? 50 : 2;
  for (let round = 0; round < rounds; round += 1) {
    const seed = [sampleSeed(), round] as const;
    await inRoot((root) => {
      changeRandomly(`${root}/${TREE}`, createRandom(...seed), 200);
    });
    const expected = await inRoot((root, top) =>
      expectedChanges(
        listTree(`${top}/${BASES}/1/${TREE}`),
        listTree(`${root}/${TREE}`),
      ),
    );
    const found = diff(`/${TREE}`, "--all").changes.map(
      ({ path: file, kind, aspects }) =>
        [
          file.slice(`/${TREE}/`.length),
          (kind === "changed"
            ? aspects.filter((aspect) => aspect !== "links")
            : [kind]
          ).join(" "),
        ] as const,
    );
    t.strictSame(
      Object.fromEntries(found.filter(([, what]) => what !== "").sort()),
      Object.fromEntries(
        Object.entries(expected)
          .map(([file, what]) => [
            Buffer.from(file, "latin1").toString("utf8"),
            what,
          ])
          .sort(),
      ),
      `round ${String(round)} of seed ${String(seed[0])}`,
    );
  }
});

await t.test("the root before", async (t) => {
  boot();
  t.strictSame(told(diff()), {});
  t.match(told(diff("--generation=1", "/etc")), {
    "/etc/hosts": "changed content",
  });
  await disk.look((top) => {
    t.strictSame(fs.readdirSync(`${top}/${BASES}`), ["1", "2"]);
  });
});

await t.test("a snapshot that an interrupted diff has left", async (t) => {
  const compared = ".dockroot/docker_rwlayer/compared";
  await disk.look((top) =>
    run([
      ...["btrfs", "subvolume", "snapshot", "-r"],
      ...[`${top}/docker_rwlayer`, `${top}/${compared}`],
    ]),
  );
  boot();
  t.notOk(Object.keys(await disk.subvolumes()).includes(compared));
});

// The first has a subvolume of the user's in it, and stays.
await t.test("a root's base goes with it", async (t) => {
  for (let count = 0; count < 4; count += 1) boot();
  await disk.look((top) => {
    t.strictSame(fs.readdirSync(`${top}/${BASES}`), ["1", "4", "5", "6", "7"]);
  });
});
