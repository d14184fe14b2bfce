import fs from "node:fs";
import path from "node:path";
import t from "tap";
import { readOwnedFiles } from "../../../installer/packages/owned-files.ts";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";

const host = createHost("/", createLog([]));
const names = new Set(["tool"]);

function makeTree(files: Readonly<Record<string, string>>): string {
  const tree = t.testdir({ usr: { lib: {}, bin: {} } });
  fs.symlinkSync("usr/lib", `${tree}/lib`);
  for (const [file, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(`${tree}/${file}`), { recursive: true });
    fs.writeFileSync(`${tree}/${file}`, text);
  }
  return tree;
}

t.test("dpkg's, where /lib is a link", async (t) => {
  const tree = makeTree({
    "var/lib/dpkg/info/tool:amd64.list": "/.\n/lib\n/lib/tool.so\n",
    "var/lib/dpkg/info/toolbox.list": "/usr/bin/box\n",
    "var/lib/dpkg/info/tool.md5sums": "x  usr/bin/other\n",
  });
  const files = await readOwnedFiles(host, tree, "dpkg", names);
  t.ok(files.has("/usr/lib/tool.so"));
  t.notOk(files.has("/usr/bin/box"));
  t.notOk(files.has("/usr/bin/other"));
});

t.test("pacman's", async (t) => {
  const tree = makeTree({
    "var/lib/pacman/local/tool-1.0-2/files":
      "%FILES%\nusr/\nusr/bin/\nusr/bin/tool\n\n%BACKUP%\netc/tool.conf\tx\n",
    "var/lib/pacman/local/tool-extra-1.0-2/files": "%FILES%\nusr/bin/extra\n",
  });
  t.strictSame(
    [...(await readOwnedFiles(host, tree, "pacman", names))],
    ["/usr/bin/tool"],
  );
});

t.test("apk's", async (t) => {
  const tree = makeTree({
    "lib/apk/db/installed":
      "P:base\nV:1\nF:etc\nR:base.conf\n\nP:tool\nV:2\nF:etc\nR:tool.conf\nF:usr/bin\nR:tool\nZ:x\n\n",
  });
  t.strictSame(
    [...(await readOwnedFiles(host, tree, "apk", names))],
    ["/etc/tool.conf", "/usr/bin/tool"],
  );
});
