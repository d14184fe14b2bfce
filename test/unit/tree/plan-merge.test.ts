import t from "tap";
import type { FileKind } from "../../../runtime/host/files.ts";
import {
  type LayerEntry,
  type ListedLayer,
  parseWhiteout,
} from "../../../runtime/tree/layer.ts";
import type {
  EntryChange,
  MergeAction,
} from "../../../runtime/tree/merge-plan.ts";
import { createMergedTree } from "../../../runtime/tree/merged-tree.ts";
import { planMerge } from "../../../runtime/tree/plan-merge.ts";

/**
 * A tree by its paths: `name/` is a directory, `name//` one that is setgid or sticky, `name -> target`
 * a symlink, `name|` a FIFO, `name=` a socket, `name (x)` one of the names of the inode x, anything else a file.
 */
type Sketch = readonly string[];

const MERGED_USR = [
  ...["usr/", "usr/lib/", "usr/bin/", "run/", "var/", "etc/"],
  ...["lib -> usr/lib", "bin -> usr/bin", "var/run -> /run"],
];

t.test("without conflicts one call of cp does it", (t) => {
  t.strictSame(plan(["etc/", "etc/hostname", "usr/", "usr/lib/", "x|"]), [
    "copy etc usr x to /",
  ]);
  t.strictSame(plan(["etc/", "etc/mtab"], ["etc/", "etc/mtab -> /x"]), [
    "copy etc to /",
  ]);
  t.strictSame(plan([]), []);
  t.end();
});

t.test("a directory onto a link to a directory lands in its target", (t) => {
  t.strictSame(plan(["etc/", "lib/", "lib/x", "usr/"], MERGED_USR), [
    "copy etc usr to /",
    "copy lib as usr/lib",
  ]);
  t.strictSame(
    plan(["var/", "var/run/", "var/run/x", "var/log"], MERGED_USR),
    ["copy var/log to var", "copy var/run as run", "attributes var of var"],
    "what it is in is taken apart",
  );
  t.strictSame(
    plan(["a/", "a/b/", "a/b/c"], ["a -> .", "b -> /d/../e", "d/", "e/"]),
    ["copy a/b as e"],
    "the root keeps its attributes",
  );
  t.end();
});

t.test("a link that leads to no directory is replaced, and told", (t) => {
  const base = ["loop -> loop", "none -> nowhere", "file -> f", "f"];
  const { actions, warnings } = planWhole(["loop/", "none/", "file/"], base);
  t.strictSame(actions, [
    ...["remove file", "remove loop", "remove none"],
    "copy file loop none to /",
  ]);
  t.match(warnings, [
    /directory \/file replaces a symlink of the image, which leads to no/,
    /directory \/loop/,
    /directory \/none/,
  ]);
  t.end();
});

t.test("files and directories replace each other, and that is told", (t) => {
  const { actions, warnings } = planWhole(
    ["a", "b/", "b/c", "d -> /"],
    ["a/", "a/x", "b", "d/"],
  );
  t.strictSame(actions, [
    ...["remove a", "remove b", "remove d"],
    "copy a b d to /",
  ]);
  t.match(warnings, [
    /file \/a replaces a directory of the image/,
    /directory \/b replaces a file of the image/,
    /symlink \/d replaces a directory of the image/,
  ]);
  t.end();
});

t.test("whiteouts remove before anything is copied", (t) => {
  t.strictSame(
    plan(
      ["etc/", "etc/.wh.a", "etc/.wh.none", "etc/b", "etc/.wh.b"],
      ["etc/", "etc/a -> /b", "etc/b/", "etc/b/c"],
    ),
    [
      ...["remove etc/a", "remove etc/b"],
      ...["copy etc/b to etc", "attributes etc of etc"],
    ],
  );
  t.strictSame(
    plan(["d/", "d/.wh.x", "d/.wh..wh..opq", "d/y/"], ["d/", "d/x", "d/y"]),
    ["empty d", "copy d/y to d", "attributes d of d"],
  );
  t.strictSame(
    plan(["n/", "n/.wh.x"], []),
    ["make n", "attributes n of n"],
    "in a directory that is new",
  );
  t.strictSame(
    plan([".wh.a", ".wh..wh..opq"], ["a", "b/"]),
    ["empty "],
    "at the root",
  );
  t.end();
});

t.test("a name that would lead out of its directory is no whiteout", (t) => {
  for (const name of [".wh.", ".wh..", ".wh...", ".wh..wh.plnk"]) {
    t.strictSame(parseWhiteout(name), { kind: "invalid" }, name);
    const { actions, warnings } = planWhole(["d/", `d/${name}`], ["d/", "x"]);
    t.strictSame(actions, ["attributes d of d"]);
    t.match(warnings, [/is not a valid whiteout/]);
  }
  t.strictSame(parseWhiteout(".wh....")?.kind, "delete");
  t.equal(parseWhiteout(".when"), undefined);
  t.end();
});

t.test("a socket is skipped, and what the image has stays", (t) => {
  const { actions, warnings } = planWhole(
    ["run/", "run/s="],
    ["run/", "run/s"],
  );
  t.strictSame(actions, ["attributes run of run"]);
  t.match(warnings, [/socket \/run\/s is skipped/]);
  t.end();
});

t.test("a layer is laid over the result of the one before", (t) => {
  const layers = [
    ["etc -> /opt/etc", "opt/", "opt/etc/", "opt/etc/a"],
    ["etc/", "etc/b", "opt/", "opt/.wh.etc"],
    ["etc/", "etc/c"],
  ].map(layerOf);
  const { actions, warnings } = planMerge(layers, treeOf(["etc/", "etc/x"]));
  t.strictSame(actions.map(describe), [
    ...["remove etc", "copy etc opt to /"],
    ...["copy etc as opt/etc", "remove opt/etc", "attributes opt of opt"],
    ...["remove etc", "copy etc to /"],
  ]);
  t.match(warnings, [
    /symlink \/etc replaces a directory of the image/,
    /directory \/etc replaces a symlink of the top layer/,
  ]);
  t.end();
});

t.test("what is setgid or sticky in the image alone does not stay so", (t) => {
  t.strictSame(
    plan(
      ["a/", "a/b/", "c//", "d/", "lib/", "new//"],
      ["a//", "a/b//", "c//", "d/", "lib -> usr", "usr//"],
    ),
    [
      ...["clear a", "clear a/b", "clear c", "copy a c d new to /"],
      ...["clear usr", "copy lib as usr"],
    ],
    "nor is it so while what is new in it would inherit that",
  );
  const ownerless = { ...layerOf(["a/"]), isOwnerless: true };
  const { actions } = planMerge([ownerless], treeOf(["a//"]));
  t.strictSame(actions.map(describe), ["copy a to /"], "where modes stay");
  t.end();
});

t.test("two ways to one directory: what comes last wins", (t) => {
  t.strictSame(
    plan(
      ["lib/", "lib/same/", "lib/same/x", "usr/", "usr/lib/", "usr/lib/same"],
      MERGED_USR,
    ),
    ["copy usr to /", "remove usr/lib/same", "copy lib as usr/lib"],
  );
  t.end();
});

t.test("hard links hold between calls of cp", (t) => {
  t.strictSame(
    plan(["etc/", "etc/a (1)", "lib/", "lib/b (1)", "lib/c (1)"], MERGED_USR),
    [
      ...["copy etc to /", "copy lib as usr/lib"],
      ...["link usr/lib/b to etc/a", "link usr/lib/c to etc/a"],
      "attributes lib of usr/lib",
    ],
  );
  t.strictSame(
    plan(["a (1)", "b (1)", "c/", "c/d (1)"]),
    ["copy a b c to /"],
    "within one call cp sees to it",
  );
  const names = Array.from(
    { length: 5000 },
    (_, index) => `${String(index).padStart(80, "x")} (${String(index % 2)})`,
  );
  const calls = plan(names);
  t.ok(calls.filter((call) => call.startsWith("copy")).length > 1);
  t.ok(calls.includes(`link ${"x".repeat(76)}4999 to ${"x".repeat(76)}1001`));
  t.end();
});

t.test("what a layer is being laid over is not removed on the way", (t) => {
  const refused = {
    code: "TOPLAYER_UNSUITABLE",
    message: /leads through symlinks/,
  };
  const base = ["a/", "a/b/", "a/b/up -> ../.."];
  const up = ["a/", "a/b/", "a/b/up/"];
  t.throws(() => plan([...up, "a/b/up/a -> /etc"], base), refused);
  t.throws(() => plan([...up, "a/b/up/.wh.a"], base), refused);
  t.throws(() => plan([...up, "a/b/up/.wh..wh..opq"], base), refused);
  t.strictSame(plan([...up, "a/b/up/c"], base), [
    ...["copy a/b/up/c to /", "attributes a/b of a/b, a of a"],
  ]);
  t.end();
});

t.test("a name that cannot be named to cp is refused", (t) => {
  const refused = { code: "TOPLAYER_UNSUITABLE" };
  t.throws(() => plan(["caf\xe9"]), refused);
  t.throws(() => plan(["caf\xe9/", "caf\xe9/.wh.x"]), refused);
  t.throws(() => plan(["a/", "a/x"], ["a -> \xff", "\xff/"]), refused);
  t.strictSame(
    plan(["a/", "a/caf\xe9"]),
    ["copy a to /"],
    "elsewhere it is not",
  );
  t.strictSame(plan(["caf\xc3\xa9"]), ["copy caf\xc3\xa9 to /"]);
  t.end();
});

t.test("without owners all becomes root's, secrets for root alone", (t) => {
  const layer = layerOf([
    ...["etc/", "etc/shadow", "etc/hostname", "root/", "root/.profile"],
    ...["usr/", "usr/bin/", "usr/bin/tool", "link -> /etc"],
    ...["etc/ssh/", "etc/ssh/ssh_host_rsa_key", "etc/ssh/ssh_host_rsa_key.pub"],
  ]);
  const { actions } = planMerge(
    [{ ...layer, isOwnerless: true }],
    treeOf(["etc/", "usr/", "usr/bin/"]),
  );
  t.strictSame(actions.map(describe), [
    "copy etc link root usr to /",
    "modes etc/hostname 644, etc/shadow 600, etc/ssh 755, etc/ssh/ssh_host_rsa_key 600, etc/ssh/ssh_host_rsa_key.pub 644, root 700, root/.profile 600, usr/bin/tool 755",
  ]);
  t.end();
});

t.test("what becomes of each entry is reported and counted", (t) => {
  const changes: EntryChange[] = [];
  const { counts } = planMerge(
    [layerOf(["etc/", "etc/.wh.a", "etc/b", "lib/", "lib/x", "s="])],
    treeOf([...MERGED_USR, "etc/a", "etc/b -> a"]),
    (change) => changes.push(change),
  );
  t.strictSame(
    changes.map(
      ({ path, effect, target, through, replaced }) =>
        `${effect} ${path} at ${target} through ${through ?? "-"} for ${replaced ?? "-"}`,
    ),
    [
      "skip s at s through - for -",
      "merge etc at etc through - for directory",
      "delete etc/.wh.a at etc/a through - for file",
      "replace etc/b at etc/b through - for symlink",
      "merge lib at usr/lib through lib for directory",
      "add lib/x at usr/lib/x through lib for -",
    ],
  );
  t.strictSame(counts, {
    files: 2,
    directories: 2,
    symlinks: 0,
    others: 0,
    replaced: 1,
    whiteouts: 1,
    skipped: 1,
  });
  t.end();
});

t.test("what is left at a path after all layers", async (t) => {
  const tree = treeOf([
    "etc/",
    "etc/gone/",
    "etc/gone/below",
    "etc/image",
    "opt/",
    "opt/image",
    "usr/",
  ]);
  planMerge(
    [
      ["etc/", "etc/passwd", "etc/.wh.gone", "etc/later", "opt/", "opt/x"],
      [
        "etc/",
        "etc/.wh.later",
        "etc/image=",
        "opt/",
        "opt/.wh..wh..opq",
        "opt/y",
      ],
    ].map(layerOf),
    tree,
  );
  const whose = (file: string) => {
    const found = tree.at(file);
    if (found === undefined) return "nothing";
    return "children" in found ? "layer" : "image";
  };
  t.strictSame(
    [
      ...["etc", "etc/passwd", "etc/gone", "etc/gone/below", "etc/later"],
      ...["etc/image", "opt", "opt/x", "opt/y", "opt/image", "", "usr"],
    ].map((file) => `${file} ${whose(file)}`),
    [
      ...["etc layer", "etc/passwd layer", "etc/gone nothing"],
      ...["etc/gone/below nothing", "etc/later nothing", "etc/image image"],
      ...["opt layer", "opt/x nothing", "opt/y layer", "opt/image nothing"],
      ...[" image", "usr image"],
    ],
  );
});

t.test("a deep layer over a deep tree", (t) => {
  const deep = Array.from(
    { length: 1500 },
    (_, index) => `${"d/".repeat(index)}d/`,
  );
  t.strictSame(plan(deep, deep), ["copy d to /"]);
  t.end();
});

function plan(layer: Sketch, base: Sketch = []): string[] {
  return planWhole(layer, base).actions;
}

function planWhole(
  layer: Sketch,
  base: Sketch,
): { actions: string[]; warnings: readonly string[] } {
  const { actions, warnings } = planMerge([layerOf(layer)], treeOf(base));
  return { actions: actions.map(describe), warnings };
}

function describe(action: MergeAction): string {
  switch (action.kind) {
    case "fillGap":
      return `fill ${action.gap.path}`;
    case "remove":
    case "empty":
      return `${action.kind} ${action.path}`;
    case "makeDirectory":
      return `make ${action.path}`;
    case "copy": {
      const { from, names, to } = action;
      const paths = names.map((name) =>
        from === "" ? name : `${from}/${name}`,
      );
      return `copy ${paths.join(" ")} to ${to === "" ? "/" : to}`;
    }
    case "copyDirectory":
      return `copy ${action.from} as ${action.to}`;
    case "link":
      return `link ${action.path} to ${action.existing}`;
    case "clearSpecialBits":
      return `clear ${action.path}`;
    case "copyAttributes":
      return `attributes ${action.directories.map(({ from, to }) => `${from} of ${to}`).join(", ")}`;
    case "giveToRoot":
      return `modes ${action.modes.map(({ path, mode }) => `${path} ${mode.toString(8)}`).join(", ")}`;
  }
}

interface Sketched {
  readonly path: string;
  readonly kind: FileKind;
  readonly target: string | undefined;
  readonly inode: string | undefined;
  readonly hasSpecialBits: boolean;
}

function read(sketch: Sketch): Sketched[] {
  const kinds: Record<string, FileKind> = {
    "/": "directory",
    "|": "FIFO",
    "=": "socket",
  };
  return sketch.map((line) => {
    const [name = "", target] = line.split(" -> ");
    const plain = { target, inode: undefined, hasSpecialBits: false };
    if (target !== undefined) return { ...plain, path: name, kind: "symlink" };
    if (line.endsWith("//")) {
      const path = line.slice(0, -2);
      return { ...plain, path, kind: "directory", hasSpecialBits: true };
    }
    const kind = kinds[line.slice(-1)];
    if (kind !== undefined) return { ...plain, path: line.slice(0, -1), kind };
    const [path = "", inode] = line.split(/ \((.+)\)$/);
    return { ...plain, path, kind: "file", inode };
  });
}

function treeOf(sketch: Sketch) {
  const entries = new Map(read(sketch).map((entry) => [entry.path, entry]));
  return createMergedTree({ look: (file) => entries.get(file) });
}

function layerOf(sketch: Sketch): ListedLayer {
  const entries = read(sketch);
  const below = Map.groupBy(entries, ({ path }) =>
    path.slice(0, Math.max(path.lastIndexOf("/"), 0)),
  );
  const childrenOf = (directory: string): LayerEntry[] =>
    (below.get(directory) ?? [])
      .map(({ path, ...entry }) => {
        const name = path.slice(path.lastIndexOf("/") + 1);
        const children = childrenOf(path);
        const isPlain =
          entry.kind !== "socket" &&
          parseWhiteout(name) === undefined &&
          children.every((child) => child.isPlain);
        return { ...entry, name, children, isPlain };
      })
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const children = childrenOf("");
  const isPlain = children.every((child) => child.isPlain);
  return {
    at: "/layer",
    root: {
      ...{ name: "", kind: "directory", inode: undefined, target: undefined },
      ...{ hasSpecialBits: false, children, isPlain },
    },
    entryCount: entries.length,
    isOwnerless: false,
  };
}
