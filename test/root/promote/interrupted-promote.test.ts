// runner: tier=first seconds=40 whole=240
import fs from "fs-extra";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { createRandom } from "../../../fixtures/random.ts";
import { listTree } from "../../../fixtures/tree-listing.ts";
import { isWholeTier, sampleSeed } from "../../tier.ts";
import { makeDiffMachine } from "../diff/diff-machine.ts";

const machine = await makeDiffMachine(
  t,
  "interrupted",
  (tree) => {
    fs.outputFileSync(`${tree}/etc/issue`, "of the image\n");
  },
  "toplayer",
);
const { disk, boot, dockroot, call, inRoot } = machine;
await disk.look((top) => {
  for (let index = 0; index < 300; index += 1) {
    fs.outputFileSync(`${top}/toplayer/etc/own/${String(index)}`, "own\n");
  }
});

const listLayer = () => disk.look((top) => listTree(`${top}/toplayer`));

const besideLayer = () =>
  disk.look((top) =>
    fs.readdirSync(top).filter((name) => name.startsWith("toplayer")),
  );

/** Not when a directory was changed: its times tell of names that came and went. */
const withoutTimes = (listing: Awaited<ReturnType<typeof listLayer>>) =>
  Object.fromEntries(
    Object.entries(listing).map(([file, entry]) => [
      file,
      entry.kind === "directory" ? { ...entry, mtime: "" } : entry,
    ]),
  );

await t.test("killed at any moment", async (t) => {
  boot();
  const random = createRandom(sampleSeed(), 1);
  const began = Date.now();
  t.equal(dockroot("promote", "/etc", "--dry-run").status, 0);
  const durationMs = (Date.now() - began) * 1.3;
  for (let round = 0; round < (isWholeTier() ? 60 : 6); round += 1) {
    await inRoot((root) => {
      for (let index = 0; index < 50; index += 1) {
        fs.outputFileSync(
          `${root}/etc/own/${String(index)}`,
          `of round ${String(round)}\n`,
        );
      }
      fs.outputFileSync(`${root}/etc/new/${String(round)}`, "new\n");
    });
    const before = await listLayer();
    const [program = "", ...args] = call("promote", "/etc", "--force");
    const child = spawn(program, args, { stdio: "ignore" });
    await sleep(random.below(durationMs));
    child.kill("SIGKILL");
    await once(child, "close");
    boot();
    const found = await inRoot((root) => listTree(root));
    const isNext = found[`etc/new/${String(round)}`] !== undefined;
    const contents = new Set(
      Array.from(
        { length: 50 },
        (_, index) => found[`etc/own/${String(index)}`]?.sha256,
      ),
    );
    t.equal(contents.size, 1, "all of one of both");
    t.equal(contents.has(before["etc/own/0"]?.sha256), !isNext);
    t.ok(found["etc/own/299"]);
    await inRoot((root) => {
      fs.outputFileSync(`${root}/etc/new/last`, `${String(round)}\n`);
    });
    const next = dockroot("promote", "/etc/new", "--force");
    t.equal(next.status, 0, next.stderr);
    t.strictSame(await besideLayer(), ["toplayer"], "nothing is left beside");
  }
});

await t.test("between two names", async (t) => {
  const before = withoutTimes(await listLayer());
  await disk.look((top) => {
    fs.renameSync(`${top}/toplayer`, `${top}/toplayer.dockroot-former`);
    fs.mkdirSync(`${top}/toplayer.dockroot-next`);
    fs.writeFileSync(`${top}/toplayer.dockroot-replaced`, "");
  });
  boot();
  t.ok(await inRoot((root) => fs.existsSync(`${root}/etc/own/299`)));
  await inRoot((root) => {
    fs.writeFileSync(`${root}/etc/issue`, "of the root\n");
  });
  const { status, stderr } = dockroot("promote", "/etc/issue");
  t.equal(status, 0, stderr);
  t.strictSame(await besideLayer(), ["toplayer"]);
  const { "etc/issue": issue, ...rest } = withoutTimes(await listLayer());
  t.equal(issue?.kind, "file");
  t.strictSame(rest, before);
});

await t.test("what is somebody else's beside it", async (t) => {
  const others = ["toplayer.dockroot-next", "toplayer.dockroot-former"];
  for (const other of others) {
    await inRoot((root, top) => {
      fs.outputFileSync(`${top}/${other}/precious`, "precious\n");
      fs.writeFileSync(`${root}/etc/issue`, other);
    });
    const { status, stderr } = dockroot("promote", "/etc/issue", "--force");
    t.equal(status, 1);
    t.match(stderr, `${other} is in the way`);
    await disk.look((top) => {
      t.ok(fs.existsSync(`${top}/${other}/precious`));
      fs.removeSync(`${top}/${other}`);
    });
    t.strictSame(await besideLayer(), ["toplayer"]);
  }
});
