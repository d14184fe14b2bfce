import t from "tap";
import type { RootDiff } from "../../../installer/diff/diff-root.ts";
import type { Change } from "../../../installer/diff/formats/change.ts";
import {
  describeDiff,
  formatDiff,
  type DiffView,
} from "../../../installer/diff/formats/format-diff.ts";
import { conforms } from "../../conforms.ts";
import { findRawControl } from "../../faults/raw-controls.ts";

const plain = (_: unknown, text: string) => text;

const ROOT = {
  ...{ path: "docker_rwlayer", boot: 5 },
  image: { reference: "demo:latest", id: `sha256:${"2a".repeat(32)}` },
} as const;

const DIFF: RootDiff = {
  ...{ changes: [], hasXattrs: true, root: ROOT, nested: [] },
  packages: undefined,
};

const added = (path: string, rest: Partial<Change> = {}): Change => ({
  ...{ path, kind: "added", type: "file", aspects: [], files: 1, bytes: 12 },
  ...rest,
});

function textOf(diff: Partial<RootDiff>, view: Partial<DiffView> = {}): string {
  return formatDiff(
    {
      ...{ paths: [], isAll: false, isRunning: true },
      ...view,
      diff: { ...DIFF, ...diff },
    },
    plain,
  );
}

const CHANGES: readonly Change[] = [
  added("etc/hosts", {
    ...{ kind: "changed", aspects: ["content", "mode"], bytes: 1234 },
  }),
  added("etc/motd", { kind: "changed", aspects: ["target"], type: "symlink" }),
  added("etc/ssh/ssh_host_rsa_key"),
  added("home/ann/letter"),
  added("mnt/fifo", { type: "FIFO" }),
  added("srv/old", {
    ...{ kind: "deleted", type: "directory", files: 17, bytes: 5_000_000 },
  }),
  added("srv/one", { type: "directory", bytes: 0 }),
  added("srv/mode", {
    ...{ kind: "changed", type: "directory", aspects: ["mode"], bytes: 0 },
  }),
  added("usr/bin/tool"),
  added("var/log/syslog"),
];

t.test("changes by their groups, data by size", async (t) => {
  t.equal(
    textOf({ changes: CHANGES }),
    `9 changes in this root (boot 5, demo:latest). The next boot makes a new root without them; this one stays as an earlier root.

Identity and secrets (1)
  + /etc/ssh/ssh_host_rsa_key  (12 B)

Configuration (2)
  ~ /etc/hosts  (content, mode; 1.2 kB)
  ~ /etc/motd  (target; symlink)

Programs (1)
  + /usr/bin/tool  (12 B)

Data (4)
  - /srv/old/  (17 files; 5.0 MB)
  + /home/ann/letter  (12 B)
  + /srv/one/  (1 file; 0 B)
  ~ /srv/mode/  (mode)

Other files (1)
  + /mnt/fifo  (FIFO)

1 more is what a system writes by itself (--all).
`,
  );
});

t.test("all of them, with why nobody misses some", async (t) => {
  const text = textOf({ changes: CHANGES }, { isAll: true });
  t.match(text, /^10 changes /);
  t.match(text, "  + /var/log/syslog  (12 B; logs)\n");
  t.notMatch(text, "--all");
});

t.test("what is at some paths, or below them", async (t) => {
  const shown = (...paths: string[]) =>
    describeDiff({
      ...{ diff: { ...DIFF, changes: CHANGES }, paths },
      ...{ isAll: false, isRunning: true },
    }).changes.map(({ path }) => path);
  t.strictSame(shown("/etc/hosts", "/usr"), ["/etc/hosts", "/usr/bin/tool"]);
  t.strictSame(shown("/home/"), ["/home/ann/letter"]);
  t.strictSame(shown("/srv/o"), []);
  t.strictSame(shown("/srv/old/letter"), ["/srv/old"], "it went with that");
  t.strictSame(shown("/srv/mode/x", "/etc/hosts/x"), []);
  t.equal(shown("/").length, 9);
});

t.test("a long list is cut, and says so", async (t) => {
  const changes = Array.from({ length: 1000 }, (_, index) =>
    added(`usr/bin/tool${String(index)}`),
  );
  const text = textOf({ changes });
  t.match(text, "Programs (1000)\n");
  t.match(text, "  and 990 more (--all)\n");
  t.equal(textOf({ changes }, { isAll: true }).split("\n").length, 1004);
});

t.test("a root in which nothing has changed", async (t) => {
  t.equal(
    textOf({}),
    "Nothing has changed in this root (boot 5, demo:latest) that anybody would miss.\n",
  );
  t.match(
    textOf({ changes: [added("var/log/a"), added("var/log/b")] }),
    /^Nothing has changed .*\n\n2 more are what a system writes by itself/,
  );
});

t.test("an earlier root", async (t) => {
  const root = { ...ROOT, path: ".dockroot/docker_rwlayer/generations/4" };
  const text = textOf(
    { root, changes: [added("srv/x")], nested: ["/srv/a", "/srv/b"] },
    { isRunning: false },
  );
  t.match(
    text,
    "1 change in .dockroot/docker_rwlayer/generations/4 (boot 5, demo:latest), until init had its successor.\n",
  );
  t.match(
    text,
    "Not compared, since they are subvolumes of that root: /srv/a, /srv/b\n",
  );
});

t.test("packages, unless paths are asked for", async (t) => {
  const packages: RootDiff["packages"] = {
    manager: "dpkg",
    added: [{ name: "vim", version: "2:9.0" }],
    removed: [],
    changed: [],
  };
  t.match(textOf({ packages }), "1 package comes:\n  +  vim  2:9.0\n");
  t.notMatch(textOf({ packages }, { paths: ["/etc"] }), "vim");
  const none = { ...packages, added: [] };
  t.notMatch(textOf({ packages: none }), "package");
});

t.test("what could not be compared is said", async (t) => {
  t.match(textOf({ hasXattrs: false }), /were not compared: getfattr is not/);
  t.match(
    textOf({ nested: ["/srv/own"] }),
    "Not compared, since it is a subvolume of this root: /srv/own\n",
  );
});

t.test("names that could write on a terminal", async (t) => {
  const odd = ["a\u001b[2Jb", "a\nb", "\u202eabc", "\u0085"].map((name) =>
    added(Buffer.from(`srv/${name}`).toString("latin1")),
  );
  const text = textOf({ changes: odd, nested: ["/srv/\u001b[2J"] });
  t.equal(findRawControl(text.replaceAll("\n", "")), undefined);
  t.match(text, "Data (4)\n");
  t.equal(text.split("\n  + ").length, 5);
});

t.test("the JSON is as its schema says", async (t) => {
  const output = describeDiff({
    diff: {
      ...{ ...DIFF, changes: CHANGES, nested: ["/srv/own"] },
      packages: {
        ...{ manager: "pacman", removed: [{ name: "a", version: "1-1" }] },
        ...{ added: [], changed: [{ name: "b", from: "1-1", to: "1-2" }] },
      },
    },
    ...{ paths: [], isAll: true, isRunning: true },
  });
  conforms(t, "diff", output);
  t.match(output.changes.at(-1), { path: "/var/log/syslog", noise: "logs" });
  const { packages, leftOut } = describeDiff({
    ...{ diff: { ...DIFF, changes: CHANGES }, paths: [] },
    ...{ isAll: false, isRunning: true },
  });
  t.equal(packages, null);
  t.equal(leftOut, 1);
});
