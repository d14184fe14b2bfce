import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { cacheDirectory, projectDirectory } from "../../build/layout.ts";
import { executable } from "./run-dockroot.ts";

t.test("the same tree in another directory gives the same bytes", (t) => {
  // On the same filesystem, for hard links.
  const elsewhere = mkdtempSync(path.join(cacheDirectory, "elsewhere-"));
  t.teardown(() => {
    rmSync(elsewhere, { recursive: true, force: true });
  });
  for (const name of [
    "main.ts",
    "package.json",
    "runtime",
    "installer",
    "build",
    "docs/man",
  ]) {
    cpSync(path.join(projectDirectory, name), path.join(elsewhere, name), {
      recursive: true,
    });
  }
  execFileSync("cp", [
    ...["--archive", "--link"],
    path.join(projectDirectory, "node_modules"),
    elsewhere,
  ]);
  const output = path.join(elsewhere, "dist/dockroot");
  execFileSync(process.execPath, [path.join(elsewhere, "build/build.ts")], {
    cwd: "/",
    env: { PATH: process.env["PATH"], TZ: "Asia/Tokyo", LC_ALL: "C" },
  });
  t.ok(
    readFileSync(output).equals(readFileSync(executable)),
    "byte for byte the same (if not: is dist/dockroot of this very tree?)",
  );
  t.end();
});
