import assert from "node:assert";
import cluster from "node:cluster";
import { stripTypeScriptTypes } from "node:module";
import v8 from "node:v8";

// Built into an executable as main.ts is: each argument is an end that a program can come to, or a
// part of Node that the executable does not have.

const acts: Record<string, () => unknown> = {
  abort: () => {
    process.abort();
  },
  "out of memory": () => {
    v8.setFlagsFromString("--max-heap-size=20");
    const kept: unknown[] = [];
    for (;;) kept.push(new Array(1000).fill(0.5));
  },
  "deep recursion": function recurse(): unknown {
    return [recurse()];
  },
  "removed module": () => process.getBuiltinModule("node:http2"),
  "removed module, again": () => process.getBuiltinModule("node:test"),
  "types of TypeScript": () => stripTypeScriptTypes("let a: number"),
  fetch: () => fetch("http://127.0.0.1:9/"),
  "failed assertion": () => {
    assert(Math.random() > 1);
  },
  "worker of a cluster": () => {
    assert(cluster.isPrimary && process.send === undefined);
  },
  nothing: () => undefined,
};

const [act = ""] = process.argv.slice(2);
if (act === "--version") console.log(`dockroot (Node ${process.version})`);
else
  Promise.resolve()
    .then(acts[act])
    .then(
      () => {
        console.log("done");
      },
      (error: unknown) => {
        console.log(`caught ${String(error)}`);
      },
    );
