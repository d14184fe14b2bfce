import t from "tap";
import { bundle } from "../../build/bundle.ts";
import { entryFile } from "../../build/layout.ts";

t.test(
  "boot and finish evaluate neither the installer nor yargs",
  async (t) => {
    const { inputs } = await bundle(entryFile, `${t.testdir()}/dockroot.cjs`);
    const evaluated = new Set(["main.ts"]);
    // A set also yields what is added while it is walked.
    for (const file of evaluated) {
      for (const { path, kind } of inputs[file]?.imports ?? []) {
        if (kind !== "dynamic-import" && path in inputs) evaluated.add(path);
      }
    }
    t.ok(evaluated.has("runtime/boot.ts"));
    t.ok("installer/main.ts" in inputs, "the installer is in the bundle");
    t.strictSame(
      [...evaluated].filter((file) => /^installer\/|\/yargs/.test(file)),
      [],
    );
  },
);
