import { run } from "../run.ts";
import { planReplacements, REFUSAL, type Builtins } from "./slim-builtins.ts";

/** Asks a Node for its own modules. */
export async function describeBuiltins(nodeFile: string): Promise<Builtins> {
  return JSON.parse(await evaluate(nodeFile, DESCRIBE)) as Builtins;
}

/**
 * Has a slimmed Node evaluate every module that was replaced.
 * @throws where one does anything but what its replacement says
 */
export async function checkBuiltins(
  nodeFile: string,
  builtins: Builtins,
): Promise<void> {
  const replacements = planReplacements(builtins);
  const answers = JSON.parse(
    await evaluate(
      nodeFile,
      EVALUATE,
      JSON.stringify([...replacements.keys()]),
    ),
  ) as string[];
  for (const [index, [id, source]] of [...replacements].entries()) {
    const expected =
      source === REFUSAL
        ? "Error: not part of dockroot's Node"
        : "setGlobalDispatcher,EnvHttpProxyAgent";
    if (answers[index] !== expected)
      throw new Error(`${id}, replaced, gives ${String(answers[index])}`);
  }
}

/** `loaded` has "NativeModule fs" for each module and "Internal Binding fs" for what is no JavaScript. */
const DESCRIBE = `
  const { internalBinding } = require("internal/test/binding");
  const cache = require("vm").compileFunction("", [], { produceCachedData: true }).cachedData;
  console.log(JSON.stringify({
    sources: internalBinding("builtins").natives,
    loaded: process.moduleLoadList.map((line) => line.replace("NativeModule ", "")),
    cacheStart: cache.toString("hex", 0, 8),
    cacheFlags: cache.readUInt32LE(8),
  }));`;

const EVALUATE = `
  const { internalBinding } = require("internal/test/binding");
  console.log(JSON.stringify(JSON.parse(process.argv[1]).map((id) => {
    const exports = {};
    try {
      internalBinding("builtins").compileFunction(id)(exports, require, { exports }, process, internalBinding, {});
      return Object.keys(exports).join();
    } catch (error) {
      return String(error);
    }
  })));`;

async function evaluate(
  nodeFile: string,
  script: string,
  ...args: string[]
): Promise<string> {
  // All that the executable takes from libraries is looked for, not only what it uses here.
  return run(
    [
      nodeFile,
      ...["--no-warnings", "--expose-internals", "--eval", script, ...args],
    ],
    { LD_BIND_NOW: "1" },
  );
}
