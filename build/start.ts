import { getRawAsset } from "node:sea";
import { Script } from "node:vm";

// What a single executable starts: reads the scripts of bundle.ts, with the code that V8 made of them
// when they were built, and runs the first. Node would keep such code for one script alone, and of
// that for few of the functions.

type Body = (
  exports: unknown,
  require: (name: string) => unknown,
  module: { exports: unknown },
) => void;

/** Those that each boot evaluates are one script: to read sixteen would take longer. */
const started = evaluate("./started.js") as Readonly<Record<string, Body>>;

const modules = new Map<string, { exports: unknown }>();

function load(name: string): unknown {
  const known = modules.get(name);
  if (known !== undefined) return known.exports;
  const module = { exports: {} as unknown };
  modules.set(name, module);
  const body = started[name] ?? (evaluate(name) as Body);
  body(module.exports, load, module);
  return module.exports;
}

function evaluate(name: string): unknown {
  const script = new Script(readAsset(name).toString("utf8"), {
    filename: name,
    cachedData: readAsset(`${name}.cache`),
  });
  return script.runInThisContext();
}

/** Where it lies in the executable: nothing is copied. */
function readAsset(name: string): Buffer {
  return Buffer.from(getRawAsset(`scripts/${name.replace("./", "")}`));
}

load("./main.js");
