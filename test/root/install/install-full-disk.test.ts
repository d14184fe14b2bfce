// runner: tier=first seconds=1 needs=debian
import fs from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import type { Change } from "../../../installer/install/plan/plan-files.ts";
import {
  inTransaction,
  resumeInterrupted,
} from "../../../installer/install/transaction.ts";
import { run } from "../../../fixtures/run.ts";
import { createHost, type Host } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";
import { makeScratch } from "../scratch.ts";

const MIB = 1024 * 1024;

const NOTHING_LEFT = { images: [], files: [], directories: [] };

await t.test(
  "a generator that fills /boot and fails: the former image comes back",
  async (t) => {
    const { root, at } = await makeSystem(t);
    const former = Buffer.alloc(MIB, "former");
    fs.writeFileSync(at("boot/initrd"), former);
    const keep = (file: string): Change => ({ kind: "keep", path: file });
    await t.rejects(
      inTransaction(
        createHost(root, createLog([])),
        [keep("/boot/initrd"), keep("/boot/initrd.tmp")],
        () => {
          fs.writeFileSync(at("boot/initrd"), Buffer.alloc(2 * MIB, "larger"));
          fs.writeFileSync(at("boot/initrd.tmp"), Buffer.alloc(2 * MIB));
          return Promise.reject(new Error("no space left"));
        },
        NOTHING_LEFT,
      ),
      /no space left/,
    );
    t.ok(fs.readFileSync(at("boot/initrd")).equals(former));
    t.strictSame(fs.readdirSync(at("boot")), ["initrd"]);
    t.notOk(fs.existsSync(at("var/lib/dockroot")));
  },
);

await t.test(
  "where there is no room to bring it back, it says where it is, and the next run goes on",
  async (t) => {
    const { root, at } = await makeSystem(t);
    const host = createHost(root, createLog([]));
    const former = Buffer.alloc(MIB, "former");
    fs.writeFileSync(at("boot/initrd"), former);
    fs.writeFileSync(at("etc/config"), "former");
    await t.rejects(
      inTransaction(
        host,
        [
          { kind: "keep", path: "/boot/initrd" },
          {
            ...{ kind: "write", path: "/etc/config", mode: 0o644 },
            ...{ content: { text: "new" }, uid: 0, gid: 0 },
          },
        ],
        () => {
          fs.writeFileSync(at("boot/initrd"), "half");
          fs.writeFileSync(at("boot/other"), Buffer.alloc(4 * MIB - 65536));
          return Promise.reject(new Error("the generator failed"));
        },
        NOTHING_LEFT,
      ),
      {
        message: "cannot restore /boot/initrd",
        hint: /former content is in \/var\/lib\/dockroot\/undo\/0\. Free some space/,
        cause: { message: /ENOSPC/, cause: /the generator failed/ },
      },
    );
    t.equal(fs.readFileSync(at("boot/initrd"), "utf8"), "half");
    t.equal(fs.readFileSync(at("etc/config"), "utf8"), "former");
    t.throws(() => resumeInterrupted(host), /cannot restore/);
    fs.rmSync(at("boot/other"));
    t.equal(resumeInterrupted(host), "undone");
    t.ok(fs.readFileSync(at("boot/initrd")).equals(former));
    t.notOk(fs.existsSync(at("var/lib/dockroot")));
  },
);

await t.test("no room to keep what is there: nothing is left", async (t) => {
  const { root, at } = await makeSystem(t, "var/lib");
  fs.writeFileSync(at("boot/initrd"), Buffer.alloc(5 * MIB));
  await t.rejects(
    inTransaction(
      createHost(root, createLog([])),
      [{ kind: "keep", path: "/boot/initrd" }],
      () => Promise.reject(new Error("not reached")),
      NOTHING_LEFT,
    ),
    {
      code: "INSTALL_FAILED",
      message: "cannot write the files: nothing was changed",
      hint: /Free some space/,
    },
  );
  t.strictSame(fs.readdirSync(at("var/lib")), []);
});

await t.test(
  "a disk that is full before the commit, or since: all is taken back",
  async (t) => {
    for (const fillsAfterCommit of [false, true]) {
      const { root, at } = await makeSystem(t, "var/lib");
      fs.writeFileSync(at("boot/initrd"), "former");
      fs.writeFileSync(at("etc/config"), "former");
      const fill = () => {
        try {
          fs.writeFileSync(at("var/lib/other"), Buffer.alloc(5 * MIB));
        } catch (error) {
          t.match(error, { code: "ENOSPC" });
        }
      };
      const host = createHost(root, createLog([]));
      const { renameDurably } = host.files;
      const filling: Host = {
        ...host,
        files: {
          ...host.files,
          renameDurably: (from, to) => {
            fill();
            fs.mkdirSync(`${to}.away`);
            renameDurably(from, `${to}.away`);
          },
        },
      };
      await t.rejects(
        inTransaction(
          filling,
          [
            { kind: "keep", path: "/boot/initrd-new" },
            {
              kind: "write",
              path: "/etc/config",
              content: { text: "new" },
              mode: 0o644,
              uid: 0,
              gid: 0,
            },
          ],
          () => {
            fs.writeFileSync(at("boot/initrd-new"), "new");
            if (!fillsAfterCommit) fill();
            return Promise.resolve();
          },
          {
            ...NOTHING_LEFT,
            images: [{ from: "/boot/initrd-new", to: "/boot/initrd" }],
          },
        ),
        fillsAfterCommit
          ? /cannot put \/boot\/initrd in place/
          : /cannot write the files: nothing was changed/,
      );
      t.equal(fs.readFileSync(at("boot/initrd"), "utf8"), "former");
      t.equal(fs.readFileSync(at("etc/config"), "utf8"), "former");
      t.notOk(fs.existsSync(at("boot/initrd-new")));
      t.strictSame(fs.readdirSync(at("var/lib")), ["other"]);
    }
  },
);

/** @param small the directory that has 4 MiB */
async function makeSystem(t: Test, small = "boot") {
  const root = makeScratch(t, "full-disk");
  const at = (file: string) => path.join(root, file);
  for (const directory of ["boot", "etc", "var/lib"]) {
    fs.mkdirSync(at(directory), { recursive: true });
  }
  await run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", at(small)]);
  t.teardown(() => run(["umount", at(small)]));
  return { root, at };
}
