import t from "tap";
import {
  aboutPath,
  BEGIN,
  COMMAND,
  END,
  writeSendStream,
} from "../../../fixtures/send-stream-writer.ts";
import type { TreeEntry } from "../../../fixtures/tree-listing.ts";
import type { Candidate } from "../../../installer/diff/formats/replay.ts";
import type { ChangedPart } from "../../../installer/diff/formats/send-stream.ts";
import { captured, readCandidates } from "./read-stream.ts";

const { before, after, stream } = captured;
const GAP = "gap of a subvolume";

/** What differs of a path that is in both trees; `undefined` of one that is in one alone, or of another kind. */
function differingParts(
  was: TreeEntry | undefined,
  is: TreeEntry | undefined,
): ChangedPart[] | undefined {
  if (was?.kind !== is?.kind) return undefined;
  const differs = (...keys: readonly (keyof TreeEntry)[]) =>
    keys.some(
      (key) => JSON.stringify(was?.[key]) !== JSON.stringify(is?.[key]),
    );
  // A symlink or a device is another one where these differ.
  if (differs("target", "device")) return undefined;
  return [
    ...(differs("size", "sha256") ? (["content"] as const) : []),
    ...(differs("mode", "owner") ? (["attributes"] as const) : []),
    ...(differs("xattrs") ? (["xattrs"] as const) : []),
  ];
}

function covers(
  candidates: ReadonlyMap<string, Candidate>,
  path: string,
  parts: readonly ChangedPart[] | undefined,
): boolean {
  const found = candidates.get(path)?.parts;
  if (found === "all") return true;
  if (parts?.every((part) => found?.has(part))) return true;
  // A directory that is another one covers what is in it.
  return path
    .split("/")
    .map((_, index, names) => names.slice(0, index).join("/"))
    .some((directory) => candidates.get(directory)?.parts === "all");
}

t.test("whatever differs between two trees is a candidate", async (t) => {
  const candidates = new Map(
    readCandidates(stream).map((candidate) => [candidate.path, candidate]),
  );
  const paths = new Set([...Object.keys(before), ...Object.keys(after)]);
  let count = 0;
  for (const path of paths) {
    if (after[path]?.kind === GAP) continue;
    const parts = differingParts(before[path], after[path]);
    if (parts?.length === 0) continue;
    count += 1;
    // A stream tells of one name what its file has changed in.
    const names = parts && after[path]?.names ? after[path].names : [path];
    t.ok(
      names.some((name) => covers(candidates, name, parts)),
      `${JSON.stringify(path)}: ${parts?.join(" ") ?? "all"}`,
    );
  }
  t.ok(count > 50, String(count));
});

t.test("what is the same is none, but for what was written anew", async (t) => {
  const differing = readCandidates(stream)
    .map(({ path }) => path)
    .filter(
      (path) =>
        differingParts(before[path], after[path])?.length === 0 &&
        before[path]?.kind === "file",
    );
  t.strictSame(differing, ["rewritten"]);
});

const { chmod, mkdir, mkfile, rename, rmdir, unlink, write } = COMMAND;

function found(...commands: Parameters<typeof aboutPath>[]) {
  const bytes = writeSendStream([
    BEGIN,
    ...commands.map((command) => aboutPath(...command)),
    END,
  ]);
  return Object.fromEntries(
    readCandidates(bytes).map(({ path, parts }) => [
      path,
      parts === "all" ? parts : [...parts].join(" "),
    ]),
  );
}

t.test("a name is what it is at that point of the stream", async (t) => {
  t.strictSame(
    found([rename, "a", "b"], [write, "b/file"], [mkdir, "a"]),
    { a: "all", b: "all", "b/file": "all" },
    "a directory that has moved, and another in its place",
  );
  t.strictSame(
    found([rename, "a", "o1"], [rename, "b", "a"], [rename, "o1", "b"]),
    { a: "all", b: "all" },
    "two that change their names",
  );
  t.strictSame(
    found([rename, "a", "o1"], [chmod, "o1/x"], [rename, "o1", "a"]),
    { "a/x": "attributes" },
    "one that comes back",
  );
  t.strictSame(
    found([rename, "a/x", "x"], [rename, "a", "b"], [rename, "x", "b/x"]),
    { a: "all", b: "all", "b/x": "all", "a/x": "all" },
    "one that comes back into a directory that has moved",
  );
  t.strictSame(
    found([rename, "a", "b"], [rename, "b/x", "x"], [rename, "b", "a"]),
    { "a/x": "all", x: "all" },
    "one that leaves a directory that is elsewhere meanwhile",
  );
  t.strictSame(
    found([mkfile, "o1"], [write, "o1"], [rename, "o1", "new"]),
    { new: "all" },
    "what is made under another name",
  );
  t.strictSame(
    found([unlink, "a/x"], [rmdir, "a"], [mkfile, "a"], [unlink, "a"]),
    { a: "all", "a/x": "all" },
    "what is removed",
  );
  t.strictSame(
    found([chmod, ""], [chmod, "__proto__"], [write, "constructor/x"]),
    {
      "": "attributes",
      ["__proto__"]: "attributes",
      "constructor/x": "content",
    },
    "the tree itself, and names that objects have",
  );
});
