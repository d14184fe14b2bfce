import t from "tap";
import type { Change } from "../../../installer/diff/formats/change.ts";
import { tellChange } from "../../../installer/diff/formats/group-changes.ts";
import { dockerfileLines } from "../../../installer/promote/plan/format-promotion.ts";
import {
  planPromotion,
  type PromotionFacts,
} from "../../../installer/promote/plan/plan-promotion.ts";
import type { FileKind } from "../../../runtime/host/file-status.ts";

const change = (
  path: string,
  kind: Change["kind"],
  type: FileKind = "file",
  aspects: Change["aspects"] = [],
) => tellChange({ path, kind, type, aspects, files: 1, bytes: 0 });

const facts = (given: {
  image?: Readonly<Record<string, FileKind>>;
  layer?: Readonly<Record<string, FileKind>>;
  changed?: readonly string[];
  ofPackage?: readonly string[];
  named?: readonly string[];
}): PromotionFacts => ({
  imageKind: (path) => given.image?.[path],
  layerKind: (path) => given.layer?.[path],
  hasLayerChanged: (path) => given.changed?.includes(path) === true,
  isOfPackage: (path) => given.ofPackage?.includes(path) === true,
  isNamed: (path) => given.named?.includes(path) === true,
});

t.test("what is there no longer", (t) => {
  const { remove, whiteouts, copy } = planPromotion(
    ["a", "b", "c"].map((path) => change(path, "deleted")),
    facts({
      image: { a: "file", b: "file" },
      layer: { b: "file", c: "file" },
    }),
  );
  t.strictSame(remove, ["b", "c"]);
  t.strictSame(whiteouts, ["a", "b"]);
  t.strictSame(copy, []);
  t.end();
});

t.test("something of another kind", (t) => {
  const { remove, whiteouts, copy } = planPromotion(
    [
      change("lib", "changed", "directory", ["type"]),
      change("etc/x", "changed", "file", ["type"]),
      change("etc/y", "changed", "symlink", ["type"]),
    ],
    facts({
      image: { lib: "symlink", "etc/x": "directory", "etc/y": "file" },
      layer: { "etc/x": "directory" },
    }),
  );
  t.strictSame(whiteouts, ["lib", "etc/x"], "a directory goes with a link");
  t.strictSame(remove, ["etc/x"]);
  t.strictSame(copy, ["lib", "etc/x", "etc/y"]);
  t.end();
});

t.test("accounts are merged where the top layer has others by now", (t) => {
  const changes = ["etc/passwd", "etc/group", "etc/hosts"].map((path) =>
    change(path, "changed", "file", ["content"]),
  );
  const layer = { "etc/passwd": "file", "etc/group": "file" } as const;
  const { merge, copy, skipped } = planPromotion(
    changes,
    facts({ layer, changed: ["etc/passwd", "etc/hosts"] }),
  );
  t.strictSame(merge, ["etc/passwd"]);
  t.strictSame(copy, ["etc/group"]);
  t.match(skipped, [{ change: { path: "etc/hosts" }, why: "conflict" }]);
  t.end();
});

t.test("what cannot be carried over", (t) => {
  const { promoted, skipped, attributes } = planPromotion(
    [
      change("usr/bin/tool", "added"),
      change("etc/tool.conf", "added"),
      change("srv/s", "added", "socket"),
      change("srv/.wh.x/y", "added"),
      change("srv/\xff", "added"),
      change("srv", "changed", "directory", ["xattrs"]),
      change("opt", "changed", "directory", ["mode"]),
      change("srv/gone", "deleted", "socket"),
    ],
    facts({
      ofPackage: ["usr/bin/tool", "etc/tool.conf"],
      named: ["etc/tool.conf"],
    }),
  );
  t.strictSame(
    skipped.map(({ change: { path }, why }) => [path, why]),
    [
      ["usr/bin/tool", "package"],
      ["srv/s", "socket"],
      ["srv/.wh.x/y", "name"],
      ["srv/\xff", "name"],
      ["srv", "xattrs"],
    ],
  );
  t.strictSame(
    promoted.map(({ path }) => path),
    ["etc/tool.conf", "opt", "srv/gone"],
  );
  t.strictSame(attributes, ["opt"]);
  t.end();
});

t.test("lines of a Dockerfile", (t) => {
  const packages = {
    manager: "apk",
    added: [
      { name: "a", version: "1" },
      { name: "b", version: "2" },
    ],
    removed: [{ name: "c", version: "3" }],
    changed: [{ name: "d", from: "1", to: "2" }],
  } as const;
  t.strictSame(dockerfileLines(packages), ["RUN apk add a b", "RUN apk del c"]);
  t.strictSame(dockerfileLines(undefined), []);
  t.end();
});
