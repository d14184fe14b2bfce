import childProcess from "node:child_process";
import { promisify } from "node:util";

const execFileAsync = promisify(childProcess.execFile);

/**
 * Node's code cache depends on the seed of V8's hash tables, which is random. A fixed seed while pkg
 * has the blob made gives the same bytes every time; the executable itself starts with a random one.
 * pkg has no setting for it and NODE_OPTIONS does not take it, so pkg gets an `execFile` that adds
 * the option. pkg takes `execFile` when it is imported, and nobody else sees this one.
 */
export async function importSeededPkg() {
  const original = childProcess.execFile;
  const seeded = (file: string, args: readonly string[]) =>
    execFileAsync(
      file,
      args[0] === "--experimental-sea-config"
        ? ["--random-seed=1", ...args]
        : args,
    );
  const replacement = Object.assign(original.bind(undefined), {
    [promisify.custom]: seeded,
  });
  childProcess.execFile = replacement as typeof original;
  try {
    const { default: pkg } = await import("@yao-pkg/pkg/lib-es5/sea.js");
    return pkg.default;
  } finally {
    childProcess.execFile = original;
  }
}
