import fs from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import type { Change } from "../../../installer/install/plan/plan-files.ts";
import {
  inTransaction,
  resumeInterrupted,
} from "../../../installer/install/transaction.ts";
import type { CommitRecord } from "../../../installer/install/plan/records.ts";
import {
  createHost,
  type Files,
  type Host,
} from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";

const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

const CHANGES: readonly Change[] = [
  { kind: "keep", path: "/boot/initrd" },
  { kind: "keep", path: "/boot/initrd-new" },
  write("/etc/new/deep/hook", { text: "new" }, 0o755),
  write("/etc/config", { text: "config, edited" }, 0o640),
  write("/var/lib/dockroot/former/0", { copyOf: "/usr/bin/tool" }, 0o600),
  write("/usr/bin/tool", { copyOf: "/opt/tool" }, 0o755),
  { kind: "remove", path: "/etc/old" },
  write("/var/lib/dockroot/install.json", { text: "{}" }, 0o644),
];

/** An image that was built beside the one that it takes the place of. */
const ENDING: CommitRecord = {
  images: [{ from: "/boot/initrd-new", to: "/boot/initrd" }],
  files: ["/srv/needed"],
  directories: ["/srv/unused"],
};

/** What stands for the power's failing within a call. */
const MUTATING = new Set<string>([
  "writeFile",
  "removeFile",
  "removeTemporary",
  "ensureDirectory",
  "removeUnusedDirectory",
  "ensureDirectories",
  "createDirectory",
  "renameDurably",
]);

t.test("all changes are made", async (t) => {
  const root = makeSystem(t);
  const host = createHost(root, createLog([]));
  await inTransaction(host, CHANGES, () => buildIn(root), ENDING);
  t.match(listTree(root), {
    "etc/config": "640 config, edited",
    "etc/new/deep/hook": "755 new",
    "usr/bin/tool": "755 another tool",
    "var/lib/dockroot/former/0": "600 a tool",
    "var/lib/dockroot/install.json": "644 {}",
    "boot/initrd": "644 another initrd",
  });
  t.notOk(fs.existsSync(path.join(root, "boot/initrd-new")));
  t.notOk(fs.existsSync(path.join(root, "srv/unused")));
  t.notOk(fs.existsSync(path.join(root, "etc/old")));
  t.strictSame(fs.readdirSync(path.join(root, "var/lib/dockroot")).sort(), [
    ...["former", "install.json"],
  ]);
});

t.test("where the work fails, all is as it was", async (t) => {
  const root = makeSystem(t);
  const before = listTree(root);
  const host = createHost(root, createLog([]));
  await t.rejects(
    inTransaction(
      host,
      CHANGES,
      () => {
        fs.writeFileSync(path.join(root, "boot/initrd"), "half");
        fs.writeFileSync(path.join(root, "boot/initrd-new"), "half");
        return Promise.reject(new Error("no"));
      },
      ENDING,
    ),
    /no/,
  );
  t.strictSame(listTree(root), before);
});

for (const [format, leave] of [
  ["its journal", () => undefined],
  ["the journal of an earlier dockroot", removeVersions],
] as const) {
  t.test(
    `power may fail before or within any call: the next run takes all back, or it is done, by ${format}`,
    (t) => failAtEveryCall(t, leave),
  );
}

async function failAtEveryCall(t: Test, leave: (root: string) => void) {
  let done = 0;
  let undone = 0;
  for (let lives = 0; ; lives += 1) {
    const root = makeSystem(t);
    const before = listTree(root);
    const host = createHost(root, createLog([]));
    const failing = failAfter(host, lives);
    const isOver = await inTransaction(
      failing,
      CHANGES,
      () => buildIn(root),
      ENDING,
    ).then(
      () => true,
      () => false,
    );
    leave(root);
    resumeInterrupted(host);
    const after = listTree(root);
    if (JSON.stringify(after) === JSON.stringify(before)) undone += 1;
    else {
      t.match(after, {
        "usr/bin/tool": "755 another tool",
        "boot/initrd": "644 another initrd",
      });
      t.notOk("boot/initrd-new" in after);
      t.notOk("srv/unused" in after);
      t.notOk("srv/needed" in after);
      t.notOk("etc/old" in after);
      for (const name of ["undo", "ending"]) {
        t.notOk(`var/lib/dockroot/${name}.json` in after);
      }
      t.notOk(
        Object.keys(after).some((name) => /dockroot-(put|new)/.test(name)),
      );
      done += 1;
    }
    if (isOver) break;
  }
  t.ok(undone > 15, `${String(undone)} were taken back`);
  t.ok(done > 2, `${String(done)} were done`);
}

/** An earlier dockroot wrote the same without a version. */
function removeVersions(root: string): void {
  for (const name of ["undo", "ending"]) {
    const file = path.join(root, `var/lib/dockroot/${name}.json`);
    if (!fs.existsSync(file)) continue;
    const text = fs.readFileSync(file, "utf8");
    const { version, ...former } = JSON.parse(text) as Record<string, unknown>;
    if (version !== 1) throw new Error(`${name}.json has no version`);
    fs.writeFileSync(file, JSON.stringify(former));
  }
}

t.test("on a full disk a failed commit is taken back", async (t) => {
  const full = () => {
    throw Object.assign(new Error("ENOSPC: no space left on device"), {
      code: "ENOSPC",
      syscall: "write",
    });
  };
  const cannotWrite = {
    code: "INSTALL_FAILED",
    message: "cannot write the files: nothing was changed",
    hint: /Free some space/,
  };
  const cannotRename = { message: "cannot put /boot/initrd in place" };
  for (const [what, fillsAt, refusal] of [
    ["the commit cannot be written", "work", cannotWrite],
    ["the image cannot be put in place", "renameDurably", cannotRename],
  ] as const) {
    await t.test(what, async (t) => {
      const root = makeSystem(t);
      const before = listTree(root);
      const host = createHost(root, createLog([]));
      let isFull = false;
      const { writeFile } = host.files;
      const failing: Host = {
        ...host,
        files: {
          ...host.files,
          writeFile: (file, content, options) => {
            const isState = file.startsWith(`${root}/var/`);
            if (isFull && isState) return full();
            return writeFile(file, content, options);
          },
          renameDurably: () => {
            isFull = true;
            full();
          },
        },
      };
      const work = async () => {
        await buildIn(root);
        isFull = fillsAt === "work";
      };
      await t.rejects(inTransaction(failing, CHANGES, work, ENDING), refusal);
      t.strictSame(listTree(root), before);
      t.equal(resumeInterrupted(host), undefined);
    });
  }
});

t.test(
  "where a commit cannot be withdrawn, its own failure is told, too",
  async (t) => {
    const root = makeSystem(t);
    const host = createHost(root, createLog([]));
    const refuse = (call: string): never => {
      throw Object.assign(new Error(`EIO: ${call}`), { syscall: call });
    };
    const failing: Host = {
      ...host,
      files: {
        ...host.files,
        removeFile: (file) => {
          if (file.endsWith("ending.json")) refuse("unlink");
          host.files.removeFile(file);
        },
        renameDurably: () => refuse("rename"),
      },
    };
    await t.rejects(
      inTransaction(failing, CHANGES, () => buildIn(root), ENDING),
      {
        code: "INSTALL_FAILED",
        hint: /next dockroot install or uninstall continues it/,
        cause: {
          message: "EIO: unlink",
          cause: {
            message: "cannot put /boot/initrd in place",
            cause: { message: "EIO: rename" },
          },
        },
      },
    );
    t.equal(resumeInterrupted(host), "finished");
  },
);

t.test("an image that cannot be put in place", async (t) => {
  const refuse = (host: Host, refused: string): Host => ({
    ...host,
    files: {
      ...host.files,
      renameDurably: (from, to) => {
        if (to.endsWith(refused)) {
          throw Object.assign(new Error("EPERM"), { syscall: "rename" });
        }
        host.files.renameDurably(from, to);
      },
    },
  });
  const two = {
    ...ENDING,
    images: [...ENDING.images, { from: "/boot/b-new", to: "/boot/b" }],
  };
  const buildTwo = (root: string) => {
    fs.writeFileSync(path.join(root, "boot/b-new"), "b");
    return buildIn(root);
  };
  const changes: Change[] = [...CHANGES, { kind: "keep", path: "/boot/b-new" }];
  const refusal = { message: /^cannot put \/boot\/\S+ in place/ };

  await t.test("the first: all is as it was", async (t) => {
    const root = makeSystem(t);
    const host = createHost(root, createLog([]));
    const before = listTree(root);
    const failing = refuse(host, "boot/initrd");
    await t.rejects(
      inTransaction(failing, changes, () => buildTwo(root), two),
      refusal,
    );
    t.strictSame(listTree(root), before);
  });
  await t.test("a later one: the next run does it", async (t) => {
    const root = makeSystem(t);
    const host = createHost(root, createLog([]));
    const failing = refuse(host, "boot/b");
    await t.rejects(
      inTransaction(failing, changes, () => buildTwo(root), two),
      refusal,
    );
    t.throws(() => resumeInterrupted(failing), refusal);
    t.equal(resumeInterrupted(host), "finished");
    t.match(listTree(root), {
      "boot/initrd": "644 another initrd",
      "boot/b": "644 b",
      "usr/bin/tool": "755 another tool",
    });
    t.equal(resumeInterrupted(host), undefined);
  });
});

for (const [name, whole, remedy] of [
  [
    "undo",
    { version: 1, files: [{ path: "/etc/new" }], directories: ["/etc/a"] },
    /undo.* Remove both/,
  ],
  [
    "ending",
    {
      version: 1,
      images: [{ from: "/boot/new", to: "/boot/initrd" }],
      files: ["/etc/needed"],
      directories: [],
    },
    /then remove it/,
  ],
] as const) {
  t.test(`${name}.json that is damaged stops, and says what to do`, (t) => {
    const text = JSON.stringify(whole);
    for (const damaged of [
      text.slice(0, 4),
      JSON.stringify({ ...whole, version: 2 }),
      JSON.stringify({ ...whole, files: undefined }),
      JSON.stringify({ ...whole, directories: ["/a/../b"] }),
      text.replace("/etc/ne", "etc/ne"),
      text.replace("/etc/ne", "/../etc/ne"),
      ...("images" in whole ? [text.replace("/boot/", "boot/")] : []),
    ]) {
      const root = makeSystem(t);
      fs.mkdirSync(path.join(root, "var/lib/dockroot"), { recursive: true });
      fs.writeFileSync(
        path.join(root, `var/lib/dockroot/${name}.json`),
        damaged,
      );
      const before = listTree(root);
      t.throws(
        () => resumeInterrupted(createHost(root, createLog([]))),
        { code: "FILE_UNREADABLE", hint: remedy },
        damaged,
      );
      t.strictSame(listTree(root), before);
    }
    t.end();
  });
}

t.test("a directory in the place of a file is refused", async (t) => {
  const root = makeSystem(t);
  fs.mkdirSync(path.join(root, "usr/bin/dockroot"));
  const before = listTree(root);
  await t.rejects(
    inTransaction(
      createHost(root, createLog([])),
      [write("/usr/bin/dockroot", { text: "x" }, 0o755)],
      () => Promise.resolve(),
      ENDING,
    ),
    /\/usr\/bin\/dockroot is a directory/,
  );
  t.strictSame(listTree(root), before, "nothing is left to be taken back");
});

function write(
  file: string,
  content: Extract<Change, { kind: "write" }>["content"],
  mode: number,
): Change {
  return { kind: "write", path: file, content, mode, ...own };
}

/** A generator that writes over one image and makes another. */
function buildIn(root: string): Promise<void> {
  fs.writeFileSync(path.join(root, "boot/initrd"), "half");
  fs.writeFileSync(path.join(root, "boot/initrd-new"), "another initrd");
  return Promise.resolve();
}

function makeSystem(t: Test): string {
  return t.testdir({
    boot: { initrd: "initrd" },
    etc: { config: "config", old: "old" },
    srv: { needed: "needed", unused: {} },
    opt: { tool: "another tool" },
    usr: { bin: { tool: "a tool" } },
    var: { lib: {} },
  });
}

/** The same machine, which loses its power with a call, in the middle of which it is when it writes a file. */
function failAfter(host: Host, lives: number): Host {
  let left = lives;
  const files = Object.fromEntries(
    Object.entries(host.files).map(([name, call]) => [
      name,
      !MUTATING.has(name)
        ? call
        : (...args: unknown[]): unknown => {
            left -= 1;
            if (left < 0) {
              const [file] = args as [string];
              const isNow = left === -1 && name === "writeFile";
              if (isNow && fs.existsSync(path.dirname(file))) {
                fs.writeFileSync(`${file}.dockroot-put`, "half");
              }
              throw new Error("the power failed");
            }
            return (call as (...args: unknown[]) => unknown)(...args);
          },
    ]),
  ) as unknown as Files;
  return { ...host, files };
}

/** Each file's mode and content. */
function listTree(root: string): Record<string, string> {
  const entries = fs.readdirSync(root, { recursive: true }) as string[];
  return Object.fromEntries(
    entries.sort().map((name) => {
      const file = path.join(root, name);
      const stats = fs.lstatSync(file);
      const mode = (stats.mode & 0o7777).toString(8);
      return [
        name,
        stats.isFile() ? `${mode} ${fs.readFileSync(file, "utf8")}` : mode,
      ];
    }),
  );
}
