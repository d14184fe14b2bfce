import path from "node:path";
import t from "tap";
import { bundle } from "../../build/bundle.ts";
import { entryFile } from "../../build/layout.ts";

t.test(
  "boot and finish evaluate neither the installer nor yargs",
  async (t) => {
    const { scripts, metafile } = await bundle(entryFile);
    const inputsOf = (isStarted: boolean) => {
      const names = scripts
        .filter((script) => script.isStarted === isStarted)
        .map(({ name }) => name);
      return Object.entries(metafile.outputs)
        .filter(([file]) => names.includes(path.basename(file)))
        .flatMap(([, { inputs }]) => Object.keys(inputs));
    };
    t.ok(inputsOf(true).includes("runtime/boot/boot.ts"));
    t.ok(inputsOf(false).includes("installer/commands/main.ts"));
    t.strictSame(
      inputsOf(true).filter((file) => /^installer\/|node_modules\//.test(file)),
      ["node_modules/fastest-levenshtein/mod.js"],
    );
  },
);
