import t from "tap";
import { resolveInRoot } from "../../../runtime/base/resolve-in-root.ts";

/** @param links link -> target; every other path is taken to be a directory */
function resolve(file: string, links: Record<string, string> = {}) {
  return resolveInRoot("/new", file, (candidate) => {
    const target = links[candidate];
    return target === undefined
      ? { kind: "directory" }
      : { kind: "symlink", target };
  });
}

t.test("absolute links start at the root", async (t) => {
  t.equal(
    resolve("/sbin/init", {
      "/new/sbin": "usr/sbin",
      "/new/usr/sbin/init": "/lib/systemd/systemd",
      "/new/lib": "usr/lib",
    }),
    "/new/usr/lib/systemd/systemd",
  );
});

t.test(".. never leaves the root", async (t) => {
  t.equal(resolve("../../etc/passwd"), "/new/etc/passwd");
  t.equal(resolve("x", { "/new/x": "../../../etc/shadow" }), "/new/etc/shadow");
  t.equal(resolve("a/b/../c", { "/new/a/b": "/d/e" }), "/new/d/c");
});

t.test(".. leads nowhere from what is no directory", async (t) => {
  t.equal(
    resolveInRoot("/new", "file/../a", () => ({ kind: "other" })),
    undefined,
  );
  t.equal(
    resolveInRoot("/new", "nothing/../a", () => undefined),
    undefined,
  );
});

t.test("links that loop lead nowhere", async (t) => {
  t.equal(resolve("a", { "/new/a": "b", "/new/b": "a" }), undefined);
  t.equal(resolve("a", { "/new/a": "a/x" }), undefined);
});

t.test("a path that no kernel knows is not looked up", async (t) => {
  const file = "a/".repeat(30_000);
  let longest = 0;
  const resolved = resolveInRoot("/new", file, (candidate) => {
    longest = Math.max(longest, candidate.length);
    return { kind: "directory" };
  });
  t.equal(resolved, `/new/${file.slice(0, -1)}`);
  t.ok(longest <= 4096, `${String(longest)} characters`);
});

t.test("names that do not exist are kept", async (t) => {
  t.equal(
    resolveInRoot("/new", "a/./b//c", () => undefined),
    "/new/a/b/c",
  );
  t.equal(resolve(""), "/new");
});
