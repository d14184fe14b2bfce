import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import t from "tap";
import { isRoot } from "../runner/rungs.ts";
import { executable } from "./run-dockroot.ts";

t.test("whoever is not root is told so", (t) => {
  // Nobody may enter the tests' own directories.
  const place = fs.mkdtempSync(path.join(tmpdir(), "dockroot-doctor-"));
  t.teardown(() => {
    fs.rmSync(place, { recursive: true });
  });
  fs.chmodSync(place, 0o755);
  fs.copyFileSync(executable, `${place}/dockroot`);
  const { status, stdout, stderr } = spawnSync(
    `${place}/dockroot`,
    ["doctor"],
    {
      ...{ cwd: "/", env: {}, encoding: "utf8" },
      ...(isRoot && { uid: 65534, gid: 65534 }),
    },
  );
  t.equal(status, 1);
  t.equal(stdout, "");
  t.equal(
    stderr,
    "dockroot: dockroot doctor needs root\n  what to do: Run it with sudo: sudo dockroot doctor ...\n",
  );
  t.end();
});
