import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import { followIn, readBytesIn } from "../../../runtime/host/follow-in.ts";
import { BootError } from "../../../runtime/base/errors.ts";
import {
  appendOwnText,
  ensureDirectories,
  readBytes,
  readOwnText,
  readText,
  removeUnusedDirectory,
  replaceFile,
  writeFile,
} from "../../../runtime/host/files.ts";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";

const LIMIT = 1024;

function unreadable(t: Test, read: () => unknown, reason: RegExp) {
  try {
    read();
    t.fail("was read");
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    t.equal(error.code, "FILE_UNREADABLE");
    t.match(error.message, reason);
    t.ok(error.hint, "says what to do");
  }
}

t.test(
  "only regular files are read, and never more than makes sense",
  async (t) => {
    const at = (name: string) => path.join(t.testdirName, name);
    t.testdir({
      file: "text",
      directory: {},
      full: "x".repeat(LIMIT),
      link: t.fixture("symlink", "file"),
      loop: t.fixture("symlink", "loop"),
    });
    execFileSync("mkfifo", [at("fifo")]);
    fs.writeFileSync(at("huge"), "");
    fs.truncateSync(at("huge"), 1024 ** 3);

    t.equal(readText(at("file"), LIMIT), "text");
    t.equal(readText(at("link"), LIMIT), "text");
    t.equal(readText(at("full"), LIMIT)?.length, LIMIT);
    t.equal(readBytes(at("nothing"), LIMIT), undefined);
    t.equal(readBytes(at("file/below"), LIMIT), undefined);
    unreadable(t, () => readBytes(at("fifo"), LIMIT), /is a FIFO, not a file/);
    unreadable(t, () => readBytes(at("directory"), LIMIT), /is a directory/);
    unreadable(t, () => readBytes("/dev/zero", LIMIT), /is a character-device/);
    unreadable(t, () => readBytes(at("huge"), LIMIT), /has 1073741824 bytes/);
    unreadable(t, () => readBytes(at("loop"), LIMIT), /cannot read/);
  },
);

t.test("a file's byte order mark is no part of its text", async (t) => {
  const text = '{ "docker_image": "größe" }\n';
  const file = path.join(t.testdir(), "dockroot.json");
  const utf16 = Buffer.from(`\uFEFF${text}`, "utf16le");
  for (const bytes of [
    Buffer.from(text),
    Buffer.from(`\uFEFF${text}`),
    utf16,
    Buffer.concat([utf16, Buffer.of(0)]),
    Buffer.from(utf16).swap16(),
  ]) {
    fs.writeFileSync(file, bytes);
    t.equal(createHost("/", createLog([])).readText(file, 1000), text);
  }
  fs.writeFileSync(file, Buffer.of(0xfe));
  t.equal(createHost("/", createLog([])).readText(file, 1000), "\uFFFD");
});

t.test("a file that says it is empty is read to its end", async (t) => {
  t.match(readText("/proc/self/mountinfo", 16 * 1024 * 1024), / \/proc /);
  unreadable(t, () => readBytes("/proc/self/mountinfo", 10), /the limit is 10/);
});

t.test("a file is replaced without following what stands there", async (t) => {
  const at = (name: string) => path.join(t.testdirName, name);
  t.testdir({
    precious: "precious",
    "state.json": t.fixture("symlink", "precious"),
    "state.json.dockroot-put": t.fixture("symlink", "precious"),
  });
  replaceFile(at("state.json"), "new", 0o600);
  t.equal(readText(at("precious"), LIMIT), "precious");
  t.ok(fs.lstatSync(at("state.json")).isFile());
  execFileSync("mkfifo", [at("state.json.dockroot-put")]);
  replaceFile(at("state.json"), "newer", 0o600);
  t.equal(readText(at("state.json"), LIMIT), "newer");
});

t.test("what an earlier dockroot left half-written goes", async (t) => {
  const directory = t.testdir({
    "state.json.new": "half",
    "state.json.dockroot-put": "half",
    "hook.new": "somebody else's",
    "hook.dockroot-put": "half",
    "hook.dockroot-new": "an image that is built beside",
    "new.dockroot-new": "half",
  });
  replaceFile(path.join(directory, "state.json"), "new", 0o600);
  const write = (name: string, mustNotExist: boolean) =>
    writeFile(
      path.join(directory, name),
      { text: name },
      { mode: 0o755, mustNotExist },
    );
  t.ok(write("hook", false));
  t.ok(write("new", true));
  t.strictSame(fs.readdirSync(directory).sort(), [
    "hook",
    "hook.dockroot-new",
    "hook.new",
    "new",
    "state.json",
  ]);
});

t.test("a file that must not exist is made, or left as it is", async (t) => {
  const at = (name: string) => path.join(t.testdirName, name);
  t.testdir({
    present: "mine",
    link: t.fixture("symlink", "nowhere"),
    "link.dockroot-put": "interrupted",
    "present.dockroot-new": "interrupted",
  });
  const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const write = (name: string) =>
    writeFile(
      at(name),
      { text: "new" },
      { mode: 0o640, ...own, mustNotExist: true },
    );
  t.notOk(write("present"));
  t.notOk(write("link"));
  t.ok(write("absent"));
  const { mode, uid, gid } = fs.statSync(at("absent"));
  t.strictSame([mode & 0o777, uid, gid], [0o640, own.uid, own.gid]);
  t.strictSame(fs.readdirSync(t.testdirName), ["absent", "link", "present"]);
  t.equal(readText(at("present"), LIMIT), "mine");
});

t.test("a file that cannot take its name leaves nothing", async (t) => {
  const directory = t.testdir({ taken: { by: "a directory" } });
  const write = () => {
    replaceFile(path.join(directory, "taken"), "new", 0o600);
  };
  t.throws(write, { code: "EISDIR" });
  t.strictSame(fs.readdirSync(directory), ["taken"]);
});

t.test("a file of root alone is read, no other", async (t) => {
  const at = (name: string) => path.join(t.testdirName, name);
  t.testdir({ foreign: "x", link: t.fixture("symlink", "/etc/passwd") });
  if (process.getuid?.() === 0) fs.chownSync(at("foreign"), 1, 1);
  t.match(readOwnText("/etc/passwd", 1024 * LIMIT), /^root:/);
  t.equal(readOwnText(at("absent"), LIMIT), undefined);
  for (const name of ["foreign", "link"]) {
    t.throws(() => readOwnText(at(name), LIMIT), { code: "FILE_FOREIGN" });
  }
});

t.test("nothing is appended to what others can change", (t) => {
  const at = (name: string) => path.join(t.testdirName, name);
  const append = (name: string) => {
    appendOwnText(at(name), "more\n");
  };
  t.testdir({
    precious: "precious\n",
    symlink: t.fixture("symlink", "precious"),
    nowhere: t.fixture("symlink", "absent"),
    directory: {},
    foreign: "",
    group: "",
    all: "",
    readable: "first\n",
  });
  fs.linkSync(at("precious"), at("hardlink"));
  fs.chmodSync(at("group"), 0o660);
  fs.chmodSync(at("all"), 0o602);
  fs.chmodSync(at("readable"), 0o640);
  execFileSync("mkfifo", [at("fifo")]);
  const reader = fs.openSync(
    at("fifo"),
    fs.constants.O_RDONLY | fs.constants.O_NONBLOCK,
  );
  const foreign = (why: RegExp) => ({ code: "FILE_FOREIGN", message: why });
  const refusals: Record<string, { code: string; message?: RegExp }> = {
    symlink: { code: "ELOOP" },
    nowhere: { code: "ELOOP" },
    directory: { code: "EISDIR" },
    hardlink: foreign(/hardlink has another name, too$/),
    group: foreign(/group can be written by others$/),
    all: foreign(/all can be written by others$/),
    fifo: foreign(/fifo is a FIFO, not a file$/),
  };
  if (process.getuid?.() === 0) {
    fs.chownSync(at("foreign"), 1, 1);
    refusals["foreign"] = foreign(/foreign belongs to user 1$/);
  }
  for (const [name, refusal] of Object.entries(refusals)) {
    t.throws(
      () => {
        append(name);
      },
      refusal,
      name,
    );
  }
  fs.closeSync(reader);
  t.equal(readText(at("precious"), LIMIT), "precious\n");
  for (const name of ["group", "all"]) t.equal(readText(at(name), LIMIT), "");

  append("readable");
  t.equal(readText(at("readable"), LIMIT), "first\nmore\n");
  t.equal(fs.statSync(at("readable")).mode & 0o777, 0o640);
  append("made");
  append("made");
  t.equal(readText(at("made"), LIMIT), "more\nmore\n");
  t.equal(fs.statSync(at("made")).mode & 0o777, 0o600);
  t.end();
});

t.test("directories are made while a neighbour removes its own", async (t) => {
  const run = path.join(t.testdir(), "run");
  let neighbours = 3;
  const { mkdirSync } = fs;
  t.intercept(fs, "mkdirSync", {
    value: (directory: string, options: fs.MakeDirectoryOptions) => {
      if (directory === `${run}/mine` && neighbours > 0) {
        neighbours -= 1;
        removeUnusedDirectory(run);
      }
      return mkdirSync(directory, options);
    },
  });
  ensureDirectories(`${run}/mine/toplevel`);
  t.equal(neighbours, 0);
  t.ok(fs.statSync(`${run}/mine/toplevel`).isDirectory());
  t.throws(
    () => {
      ensureDirectories("/proc/self/none");
    },
    { code: "ENOENT" },
    "where nothing can be made",
  );
});

t.test("a link in a tree leads nowhere outside of it", async (t) => {
  const directory = t.testdir({
    outside: "outside",
    tree: {
      inside: "inside",
      absolute: t.fixture("symlink", "/inside"),
      out: t.fixture("symlink", "../outside"),
      loop: t.fixture("symlink", "loop"),
    },
  });
  const host = createHost("/", createLog([]));
  const tree = path.join(directory, "tree");
  const read = (file: string) => readBytesIn(host, tree, file, LIMIT);
  fs.symlinkSync(path.join(directory, "outside"), path.join(tree, "far"));
  t.equal(read("absolute")?.toString(), "inside");
  for (const name of ["out", "far", "loop"]) t.equal(read(name), undefined);
  t.equal(followIn(host, tree, "out"), path.join(tree, "outside"));
});
