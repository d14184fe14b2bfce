import type { Plugin } from "esbuild";
import { isBuiltin } from "node:module";

/**
 * Imports of Node's own modules. esbuild would have each importing file copy all properties of the
 * module: for node:fs and node:path alone a thousand at each boot.
 */
export const builtinModules: Plugin = {
  name: "builtin-modules",
  setup(build) {
    build.onResolve({ filter: /^(?:node:)?[a-z0-9_/]+$/ }, ({ path, kind }) => {
      if (!isBuiltin(path)) return undefined;
      const name = path.startsWith("node:") ? path : `node:${path}`;
      const namespace = kind === "require-call" ? "required" : "imported";
      return { path: name, namespace, sideEffects: false };
    });
    build.onLoad({ filter: /./, namespace: "required" }, ({ path }) => ({
      contents: `module.exports = ${getModule(path)};`,
    }));
    build.onLoad({ filter: /./, namespace: "imported" }, ({ path }) => ({
      contents: formatImported(path),
    }));
  },
};

/** What nobody imports of it esbuild leaves out, told that to get it changes nothing. */
function formatImported(name: string): string {
  const module = process.getBuiltinModule(name) as object;
  const names = Object.keys(module).filter((key) => /^[a-zA-Z]\w*$/.test(key));
  return [
    `const builtin = ${getModule(name)};`,
    "const pick = (name) => builtin[name];",
    "export default builtin;",
    ...names.map(
      (key) => `export const ${key} = /* @__PURE__ */ pick("${key}");`,
    ),
  ].join("\n");
}

const getModule = (name: string) =>
  `/* @__PURE__ */ process.getBuiltinModule("${name}")`;
