import { transform } from "esbuild";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import type { BundledScript } from "./bundle.ts";
import { run } from "./run.ts";

/**
 * Writes scripts into `directory`, and beside each what V8 makes of it. Those that are evaluated at each
 * start become one, an object of all by their names, with the code of all its functions: one that is
 * compiled when it is first called costs as much as thirty that are read.
 * @param nodeFile the very Node that will read that code
 * @param nodeFlags with which it will
 * @returns the files, by the names that start.ts gives them
 */
export async function compileScripts(
  scripts: readonly BundledScript[],
  nodeFile: string,
  nodeFlags: readonly string[],
  directory: string,
): Promise<Record<string, string>> {
  await mkdir(directory);
  const compiler = path.join(directory, "cache-code.cjs");
  await writeFile(compiler, await toCommonJs("cache-code.ts"));
  const files: Record<string, string> = {};
  const started = scripts
    .filter(({ isStarted }) => isStarted)
    .map(({ name, text }) => `"./${name}": ${text}`);
  const all = [
    { name: "started.js", text: `({${started.join(",\n")}})`, isStarted: true },
    ...scripts.filter(({ isStarted }) => !isStarted),
  ];
  for (const { name, text, isStarted } of all) {
    const file = path.join(directory, name);
    await writeFile(file, text);
    const functions = isStarted ? "all" : "outer";
    // V8's hash tables have a random seed, and the code another order with each. V8 does not count
    // this flag among those that must be the same when the code is read.
    await run([
      ...([nodeFile, ...nodeFlags, "--random-seed=1"] as const),
      ...[compiler, file, `./${name}`, functions],
    ]);
    files[`scripts/${name}`] = file;
    files[`scripts/${name}.cache`] = `${file}.cache`;
  }
  return files;
}

/** A file beside this one, for a Node that may not know TypeScript. */
export async function toCommonJs(name: string): Promise<string> {
  const { code } = await transform(
    await readFile(path.join(import.meta.dirname, name), "utf8"),
    { loader: "ts", format: "cjs", platform: "node", target: "node24" },
  );
  return code;
}
