import path from "node:path";
import t from "tap";
import { runDockroot } from "./run-dockroot.ts";

const captured = path.join(
  import.meta.dirname,
  "../../fixtures/captured/docker-20.10.24-btrfs",
);

t.test("no store there: status 1, and what to do", (t) => {
  const directory = t.testdir({ file: "", empty: {} });
  for (const store of ["absent", "file", "empty"]) {
    const { status, stdout, stderr } = runDockroot(
      ...["resolve", "system:1", "--docker", `${directory}/${store}`],
    );
    t.equal(status, 1);
    t.equal(stdout, "");
    t.match(
      stderr,
      `dockroot: cannot find the image system:1 in ${directory}/${store}\n`,
    );
    t.match(stderr, "what to do: Correct --store-path: ");
  }
  t.end();
});

t.test("names that are near are listed, as a boot does", (t) => {
  const call = ["resolve", "--docker", captured];
  const { status, stdout, stderr } = runDockroot(...call, "many:2");
  t.equal(status, 1);
  t.equal(stdout, "");
  t.match(
    stderr,
    /^dockroot: cannot find the image many:2 in .*\n(?: {2}because: .*\n)* {2}because: the store has: many:1, many:dangling\n {2}what to do: Name an image as docker images /,
  );
  t.match(runDockroot(...call, "Many"), {
    status: 1,
    stderr: /^dockroot: "Many" is not a valid image reference: /,
  });
  t.end();
});
