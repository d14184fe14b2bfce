// runner: tier=all seconds=60
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import t from "tap";
import { projectDirectory } from "../../build/layout.ts";
import { scaleTimeout } from "../../fixtures/slowness.ts";
import { executable } from "./run-dockroot.ts";

// What `SLIM=0 make build` makes, held to the same tests.

/** It compares two builds. */
const OF_THE_BUILD = ["reproducible.test.ts", "whole-node.test.ts"];

t.test("an executable with all of Node in it", (t) => {
  const whole = path.join(t.testdir(), "dockroot");
  execFileSync(
    process.execPath,
    [path.join(projectDirectory, "build/build.ts"), whole],
    { env: { ...process.env, SLIM: "0" } },
  );
  const bytes = fs.statSync(whole).size;
  t.ok(bytes > 1.2 * fs.statSync(executable).size, `${String(bytes)} bytes`);
  const files = fs
    .readdirSync(import.meta.dirname)
    .filter((name) => name.endsWith(".test.ts"))
    .filter((name) => !OF_THE_BUILD.includes(name))
    .filter((name) =>
      fs
        .readFileSync(path.join(import.meta.dirname, name), "utf8")
        .includes("./run-dockroot.ts"),
    );
  t.ok(files.length >= 5);
  for (const name of files) {
    const { status, stdout } = spawnSync(
      process.execPath,
      [path.join(import.meta.dirname, name), "whole-node"],
      {
        cwd: projectDirectory,
        env: { ...process.env, TEST_EXECUTABLE: whole },
        encoding: "utf8",
        timeout: scaleTimeout(60_000),
      },
    );
    t.equal(status, 0, `${name} passes`);
    if (status !== 0) t.comment(stdout.slice(-4000));
  }
  t.end();
});

t.test("SLIM is 0 or 1", (t) => {
  const { status, stderr } = spawnSync(
    process.execPath,
    [path.join(projectDirectory, "build/build.ts"), "/dev/null/none"],
    { env: { ...process.env, SLIM: "no" }, encoding: "utf8" },
  );
  t.equal(status, 1);
  t.match(stderr, "SLIM=no is neither 0 nor 1");
  t.end();
});
