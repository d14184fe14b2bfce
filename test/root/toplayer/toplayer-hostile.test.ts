// runner: tier=first seconds=10
import fs from "fs-extra";
import t, { type Test } from "tap";
import { run } from "../../../fixtures/run.ts";
import { compareListings, listTree } from "../../../fixtures/tree-listing.ts";
import { OWN_RECORD } from "../../../runtime/disk/disk.ts";
import { makeBootDisk, rehearse, type BootRecord } from "../boot-disk.ts";
import { layersOption } from "./layers-option.ts";
import {
  hostileLinks,
  makeHostileTree,
  MANY,
  TARGETS,
} from "./hostile-tree.ts";
import { readInRoot } from "../read-in-root.ts";

// Nothing escapes: whatever the image and the top layer hold, only the new root is written to, and
// links lead where they would for a process that is confined to it.

const PRECIOUS =
  "mkdir -p below; echo precious >file; echo precious >below/file";

const disk = await makeBootDisk(
  t,
  "toplayer-hostile",
  async (tree, scratch) => {
    await makeTree(`${scratch}/host`, PRECIOUS);
    makeHostileTree(tree, `${scratch}/host`);
  },
);

const host = `${disk.scratch}/host`;

await disk.look((top) => makeTree(`${top}/precious`, PRECIOUS));

const plain = rehearse(t, disk, "plain");

plain.boot();

plain.finish();

/** The image in its store. */
const source = plain.record().source ?? "";

await t.test(
  "a directory onto a link lands where the link leads",
  async (t) => {
    const links = Object.entries(hostileLinks(host));
    await layer("links", (directory) => {
      for (const [name] of links) {
        const own = `${directory}/links/${name}`;
        fs.mkdirpSync(`${own}/deep of ${name}`);
        fs.writeFileSync(`${own}/proof of ${name}`, `${name}\n`);
        fs.writeFileSync(`${own}/deep of ${name}/proof`, `${name}\n`);
        fs.writeFileSync(`${own}/.wh.file`, "");
        fs.writeFileSync(`${own}/.wh.below`, "");
      }
    });
    const { warnings } = await start(t, "links", ["links"]);
    await disk.look(async (top) => {
      const root = `${top}/links`;
      const proofs = links.flatMap(([name]) => [
        `/links/${name}/proof of ${name}`,
        `/links/${name}/deep of ${name}/proof`,
      ]);
      const seen = await readInRoot(root, proofs);
      for (const [index, [name, { target, place }]] of links.entries()) {
        const link = `${root}/links/${name}`;
        const here = place ?? `/links/${name}`;
        const kind =
          place === undefined ? "replaces the link" : `lands in ${place}`;
        await t.test(`${name}: ${kind}`, (t) => {
          const proof = fs.readFileSync(
            `${root}${here}/proof of ${name}`,
            "utf8",
          );
          t.equal(proof, `${name}\n`);
          t.strictSame(seen.slice(2 * index, 2 * index + 2), [name, name]);
          const stands = fs.lstatSync(link).isSymbolicLink()
            ? fs.readlinkSync(link)
            : undefined;
          t.equal(stands, place === undefined ? undefined : target);
          t.equal(
            warnings.filter((text) =>
              text.includes(` /links/${name} replaces `),
            ).length,
            place === undefined ? 1 : 0,
          );
          t.end();
        });
      }
      t.equal(fs.statSync(root).mode & 0o7777, 0o711, "the root is as it was");
    });
  },
);

await t.test("a file onto a link, and below a link", async (t) => {
  const links = Object.entries(hostileLinks(host));
  await layer("files", (directory) => {
    fs.mkdirpSync(`${directory}/links`);
    for (const [name] of links) {
      fs.writeFileSync(`${directory}/links/${name}`, `${name}\n`);
    }
  });
  t.strictSame((await start(t, "files", ["files"])).warnings, []);
  await disk.look((top) => {
    for (const [name] of links) {
      const file = `${top}/files/links/${name}`;
      t.ok(fs.lstatSync(file).isFile(), name);
      t.equal(fs.readFileSync(file, "utf8"), `${name}\n`);
    }
  });
});

await t.test("a whiteout of a link leaves what it leads to", async (t) => {
  const links = Object.entries(hostileLinks(host));
  await layer("whiteouts", (directory) => {
    fs.mkdirpSync(`${directory}/links`);
    for (const [name] of links) {
      fs.writeFileSync(`${directory}/links/.wh.${name}`, "");
    }
  });
  await start(t, "whiteouts", ["whiteouts"]);
  await disk.look((top) => {
    t.strictSame(fs.readdirSync(`${top}/whiteouts/links`), ["chain", "deep"]);
    t.strictSame(
      compareListings(
        listTree(`${top}/whiteouts/real`),
        listTree(`${top}/${source}/real`),
      ),
      [],
    );
  });
});

await t.test(
  "what empties a directory empties the link's target inside",
  async (t) => {
    const links = Object.entries(hostileLinks(host)).filter(
      ([, { place }]) => place === undefined || place.startsWith("/real/"),
    );
    await layer("opaque", (directory) => {
      for (const [name] of links) {
        fs.mkdirpSync(`${directory}/links/${name}`);
        fs.writeFileSync(`${directory}/links/${name}/.wh..wh..opq`, "");
      }
    });
    await start(t, "opaque", ["opaque"]);
    await disk.look((top) => {
      const root = `${top}/opaque`;
      t.strictSame(fs.readdirSync(`${root}/real/directory`), []);
      t.equal(fs.readFileSync(`${root}/real/file`, "utf8"), "image\n");
      for (const [name, { place }] of links) {
        const file = `${root}/links/${name}`;
        t.equal(fs.lstatSync(file).isSymbolicLink(), place !== undefined, name);
        if (place === undefined) t.strictSame(fs.readdirSync(file), []);
      }
    });
  },
);

await t.test(
  "a layer's link is not followed out by the next one",
  async (t) => {
    await layer("swap-a", (directory) =>
      makeTree(
        directory,
        `mkdir -p swap; cd swap
      ln -s "$HOST" directory-1; ln -s ../../../../precious directory-2; ln -s /real/directory directory-3
      mkdir link-1 link-2; echo a >link-1/a; echo a >link-2/a
      ln -s link-4 link-3; ln -s "$HOST" link-4`,
        { HOST: host },
      ),
    );
    await layer("swap-b", (directory) =>
      makeTree(
        directory,
        `mkdir -p swap; cd swap
      for name in directory-1 directory-2 directory-3 link-1 link-2 link-3; do
        mkdir -p "$name/deep"; echo b >"$name/b"; echo b >"$name/deep/b"; : >"$name/.wh.file"
      done`,
      ),
    );
    await start(t, "swapped", ["swap-a", "swap-b"]);
    await disk.look((top) => {
      const swap = `${top}/swapped/swap`;
      const names = (name: string) => fs.readdirSync(`${swap}/${name}`);
      for (const name of ["directory-1", "directory-2", "link-3"]) {
        t.ok(fs.lstatSync(`${swap}/${name}`).isDirectory(), name);
        t.strictSame(names(name), ["b", "deep"]);
      }
      t.equal(fs.readlinkSync(`${swap}/directory-3`), "/real/directory");
      t.strictSame(fs.readdirSync(`${top}/swapped/real/directory`), [
        "b",
        "deep",
        "image",
      ]);
      t.strictSame(names("link-1"), ["a", "b", "deep"]);
      t.strictSame(names("link-2"), ["a", "b", "deep"]);
      t.equal(fs.readlinkSync(`${swap}/link-4`), host);
    });
  },
);

await t.test(
  "a link that comes by one way is not followed by another",
  async (t) => {
    await layer("ways", (directory) =>
      makeTree(
        directory,
        `for way in ways/a-link ways/real ways/z-link; do
        mkdir -p "$way/$(basename "$way")"
        for other in a-link real z-link; do
          mkdir -p "$way/$other"; echo "$way" >"$way/$other/file"
        done
        rm -r "$way/$(basename "$way")"; ln -s "$HOST" "$way/$(basename "$way")"
      done`,
        { HOST: host },
      ),
    );
    await start(t, "ways", ["ways"]);
    await disk.look((top) => {
      const names = fs.readdirSync(`${top}/ways/ways/real`);
      t.strictSame(names, ["a-link", "real", "z-link"]);
    });
  },
);

await t.test(`${String(MANY)} links with a directory onto each`, async (t) => {
  await layer("many", (directory) => {
    for (let number = 0; number < MANY; number += 1) {
      const own = `${directory}/many/${String(number)}`;
      fs.mkdirpSync(own);
      fs.chmodSync(own, 0o700 + (number % 8));
      fs.writeFileSync(`${own}/proof-${String(number)}`, "");
      if (number < TARGETS) fs.writeFileSync(`${own}/.wh.file`, "");
    }
  });
  const { warnings } = await start(t, "many", ["many"]);
  t.strictSame(warnings, []);
  await disk.look((top) => {
    const links = MANY / TARGETS;
    const expected = Array.from({ length: TARGETS }, (_, target) => ({
      mode: 0o700 + ((MANY - TARGETS + target) % 8),
      proofs: Array.from(
        { length: links },
        (_, link) => `proof-${String(link * TARGETS + target)}`,
      ).toSorted(),
    }));
    const found = expected.map((_, target) => {
      const directory = `${top}/many/many-targets/${String(target)}`;
      const mode = fs.statSync(directory).mode & 0o7777;
      return { mode, proofs: fs.readdirSync(directory).toSorted() };
    });
    t.strictSame(found, expected);
    t.ok(fs.lstatSync(`${top}/many/many/999`).isSymbolicLink());
  });
});

await t.test("whiteouts of no name are ignored, and told", async (t) => {
  const invalid = [".wh.", ".wh..", ".wh...", ".wh..wh.plnk", ".wh..wh.aufs"];
  await layer("invalid", (directory) => {
    for (const parent of [directory, `${directory}/real`]) {
      fs.mkdirpSync(parent);
      fs.writeFileSync(`${parent}/proof`, "");
      for (const name of invalid) fs.writeFileSync(`${parent}/${name}`, "");
    }
    fs.removeSync(`${directory}/real/.wh..`);
    fs.mkdirpSync(`${directory}/real/.wh../deep`);
  });
  const { warnings } = await start(t, "invalid", ["invalid"]);
  t.equal(warnings.length, 2 * invalid.length, warnings.join("\n"));
  for (const file of invalid.flatMap((name) => [`/${name}`, `/real/${name}`])) {
    t.ok(
      warnings.some((text) => text.includes(` ${file} `)),
      file,
    );
  }
  await disk.look((top) => {
    const image = fs.readdirSync(`${top}/${source}`);
    const engineArtifacts = [".dockerenv"];
    t.strictSame(
      fs.readdirSync(`${top}/invalid`),
      [
        ...image.filter((name) => !engineArtifacts.includes(name)),
        ...[OWN_RECORD, "proof"],
      ].toSorted(),
    );
    t.strictSame(fs.readdirSync(`${top}/invalid/real`), [
      "directory",
      "file",
      "proof",
    ]);
  });
});

await t.test("a top layer's directory that is a symlink", async (t) => {
  await layer("plain", (directory) => makeTree(directory, "echo plain >proof"));
  await disk.look((top) => {
    const at = (name: string) => `${top}/layers/${name}`;
    fs.symlinkSync("../../../../../../../layers/plain", at("link-in"));
    fs.symlinkSync(host, at("link-out"));
    fs.symlinkSync(`../../../../../../../../../../..${host}`, at("link-up"));
    fs.symlinkSync("/proc/1/root", at("link-proc"));
  });
  await start(t, "by-link", ["link-in"]);
  await disk.look((top) => {
    t.equal(fs.readFileSync(`${top}/by-link/proof`, "utf8"), "plain\n");
  });
  for (const name of ["link-out", "link-up", "link-proc"]) {
    const machine = rehearse(t, disk, name);
    const { status } = machine.boot(layersOption(disk, ["plain", name]));
    t.equal(status, 1, name);
    t.equal(machine.record().failure?.code, "TOPLAYER_MISSING");
  }
});

async function makeTree(
  directory: string,
  script: string,
  env: NodeJS.ProcessEnv = {},
): Promise<void> {
  fs.mkdirpSync(directory);
  await run(["sh", "-ec", script], { cwd: directory, env });
}

/** Makes a top layer: a directory in the disk's /layers. */
function layer(
  name: string,
  make: (directory: string) => Promise<void> | void,
): Promise<void> {
  return disk.look(async (top) => {
    fs.mkdirpSync(`${top}/layers/${name}`);
    await make(`${top}/layers/${name}`);
  });
}

/** Makes a root, and proves that nothing else was touched. */
async function start(
  t: Test,
  rwlayer: string,
  layers: readonly string[],
): Promise<BootRecord> {
  const listOutside = () =>
    disk.look((top) =>
      [host, `${top}/precious`, `${top}/layers`, `${top}/${source}`].map(
        (directory) => listTree(directory, { changeTimes: true }),
      ),
    );
  const before = await listOutside();
  const machine = rehearse(t, disk, rwlayer);
  const { status, stderr } = machine.boot(layersOption(disk, layers));
  t.equal(status, 0, stderr);
  t.equal(machine.finish().status, 0);
  const after = await listOutside();
  t.strictSame(
    before.flatMap((listing, index) =>
      compareListings(after[index] ?? {}, listing),
    ),
    [],
    "nothing else was touched",
  );
  return { ...machine.record(), warnings: machine.warnings() };
}
