import { spawnSync } from "node:child_process";
import path from "node:path";
import t from "tap";
import { scaleTimeout } from "../../fixtures/slowness.ts";
import { makeExecutable } from "../../build/make-executable.ts";

// What is gone from the executable's Node never makes it end in another way than by an error.

const entry = path.join(import.meta.dirname, "slim/main.ts");

t.test("what the executable lacks", async (t) => {
  const executable = path.join(t.testdir(), "slim");
  await makeExecutable(entry, executable);
  const act = (name: string, env: NodeJS.ProcessEnv = {}) =>
    spawnSync(executable, [name], {
      encoding: "utf8",
      env,
      timeout: scaleTimeout(60_000),
    });

  t.test("an end in failure is an end", (t) => {
    for (const [name, text] of [
      ["abort", "JavaScript stack trace"],
      ["out of memory", "heap out of memory"],
    ] as const) {
      const { signal, stderr } = act(name);
      // The native stack trace above it is empty: what it was made of is gone.
      t.equal(signal, "SIGABRT", name);
      t.match(stderr, text);
    }
    t.match(act("deep recursion").stdout, "caught RangeError: Maximum call");
    t.end();
  });

  t.test("what is gone answers with an error", (t) => {
    for (const [name, error] of [
      ["removed module", "Error: not part of dockroot's Node"],
      ["removed module, again", "Error: not part of dockroot's Node"],
      ["types of TypeScript", "Error: not part of dockroot's Node"],
      ["fetch", "TypeError: fetchImpl is not a function"],
      ["failed assertion", "Error"],
    ] as const) {
      const { status, stdout } = act(name);
      t.match(stdout, `caught ${error}`, name);
      t.equal(status, 0);
    }
    t.end();
  });

  t.test("a proxy in the environment does not matter", (t) => {
    const { stdout } = act("nothing", {
      NODE_USE_ENV_PROXY: "1",
      HTTP_PROXY: "http://127.0.0.1:9/",
    });
    t.equal(stdout, "done\n");
    t.end();
  });

  t.test("nor does what Node would take for a parent process", (t) => {
    const { stdout, stderr } = act("worker of a cluster", {
      NODE_CHANNEL_FD: "3",
      NODE_UNIQUE_ID: "1",
    });
    t.equal(stdout, "done\n", stderr);
    t.end();
  });
  t.end();
});
