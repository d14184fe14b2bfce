import fs from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import { resumeInterrupted } from "../../../installer/install/transaction.ts";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";

// What dockroot at commit d95e4d1 left when it was killed before its commit, or while it did what that says. It ran
// as root.
const uid = process.getuid?.() ?? 0;
const gid = process.getgid?.() ?? 0;
const former = (kept: number) => `{
        "kept": "/var/lib/dockroot/undo/${String(kept)}",
        "mode": 420,
        "uid": ${String(uid)},
        "gid": ${String(gid)}
      }`;
const UNDO = `{
  "files": [
    {
      "path": "/boot/initrd",
      "former": ${former(0)}
    },
    {
      "path": "/boot/initrd-new"
    },
    {
      "path": "/etc/new/deep/hook"
    },
    {
      "path": "/etc/config",
      "former": ${former(3)}
    },
    {
      "path": "/var/lib/dockroot/former/0"
    },
    {
      "path": "/usr/bin/tool",
      "former": ${former(5)}
    },
    {
      "path": "/etc/old",
      "former": ${former(6)}
    },
    {
      "path": "/var/lib/dockroot/install.json"
    }
  ],
  "directories": [
    "/etc/new",
    "/etc/new/deep",
    "/var/lib/dockroot/former"
  ]
}
`;
const ENDING = `{
  "images": [
    {
      "from": "/boot/initrd-new",
      "to": "/boot/initrd"
    }
  ],
  "files": [
    "/srv/needed"
  ],
  "directories": [
    "/srv/unused"
  ]
}
`;
const BEFORE = {
  "boot/initrd": "initrd",
  "etc/config": "config",
  "etc/old": "old",
  "opt/tool": "another tool",
  "srv/needed": "needed",
  "usr/bin/tool": "a tool",
};
const INSTALLED = {
  "boot/initrd": "another initrd",
  "etc/config": "config, edited",
  "etc/new/deep/hook": "new",
  "opt/tool": "another tool",
  "usr/bin/tool": "another tool",
  "var/lib/dockroot/former/0": "a tool",
  "var/lib/dockroot/install.json": "{}",
};

t.test("its undo.json: all is taken back", (t) => {
  const root = makeInterrupted(t, { "undo.json": UNDO });
  fs.writeFileSync(path.join(root, "usr/bin/tool.dockroot-put"), "half");
  t.equal(resume(root), "undone");
  t.strictSame(readTree(root), BEFORE);
  t.notOk(fs.existsSync(path.join(root, "etc/new")));
  t.notOk(fs.existsSync(path.join(root, "var/lib/dockroot")));
  t.ok(fs.existsSync(path.join(root, "srv/unused")));
  t.equal(resume(root), undefined);
  t.end();
});

for (const [what, records] of [
  ["its ending.json", { "ending.json": ENDING }],
  ["both: ending.json counts", { "undo.json": UNDO, "ending.json": ENDING }],
] as const) {
  t.test(`${what}: what is left to do is done`, (t) => {
    const root = makeInterrupted(t, records);
    t.equal(resume(root), "finished");
    t.strictSame(readTree(root), INSTALLED);
    t.notOk(fs.existsSync(path.join(root, "srv/unused")));
    t.notOk(fs.existsSync(path.join(root, "var/lib/dockroot/undo")));
    t.equal(resume(root), undefined);
    t.end();
  });
}

function resume(root: string) {
  return resumeInterrupted(createHost(root, createLog([])));
}

function makeInterrupted(t: Test, records: Record<string, string>): string {
  const root = t.testdir({
    boot: { initrd: "half", "initrd-new": "another initrd" },
    etc: { config: "config, edited", new: { deep: { hook: "new" } } },
    opt: { tool: "another tool" },
    srv: { needed: "needed", unused: {} },
    usr: { bin: { tool: "another tool" } },
    var: {
      lib: {
        dockroot: {
          former: { 0: "a tool" },
          "install.json": "{}",
          undo: { 0: "initrd", 3: "config", 5: "a tool", 6: "old" },
          ...records,
        },
      },
    },
  });
  fs.chmodSync(path.join(root, "etc/config"), 0o640);
  fs.chmodSync(path.join(root, "usr/bin/tool"), 0o755);
  return root;
}

/** The content of each file. */
function readTree(root: string): Record<string, string> {
  const entries = fs.readdirSync(root, { recursive: true }) as string[];
  return Object.fromEntries(
    entries
      .sort()
      .map((name) => [name, path.join(root, name)] as const)
      .filter(([, file]) => fs.lstatSync(file).isFile())
      .map(([name, file]) => [name, fs.readFileSync(file, "utf8")]),
  );
}
