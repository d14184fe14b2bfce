import { readdir } from "node:fs/promises";
import path from "node:path";
import { hostArchitecture } from "./architecture.ts";
import { assetsDirectory } from "./layout.ts";
import { importSeededPkg } from "./seeded-pkg.ts";

/**
 * Makes `output` from a copy of `nodeFile` with the script in it.
 * @param workDirectory for temporary files; the script lies right in it
 */
export async function inject(
  script: string,
  nodeFile: string,
  output: string,
  workDirectory: string,
): Promise<void> {
  const makeSingleExecutable = await importSeededPkg();
  // pkg works in a directory that it makes below TMPDIR.
  process.env["TMPDIR"] = workDirectory;
  const seaConfig = {
    // The name ends up in the executable and in stack traces. Relative to pkg's directory it is the
    // same in every checkout.
    main: path.join("..", path.relative(workDirectory, script)),
    disableExperimentalSEAWarning: true,
    useCodeCache: true,
    useSnapshot: false,
    // Neither NODE_OPTIONS nor --node-options change what the executable does.
    execArgvExtension: "none",
    // What was of use for a moment is collected early: a large top layer takes a third less memory.
    execArgv: ["--max-semi-space-size=4"],
    assets: await findAssets(),
  };
  const arch = hostArchitecture();
  await makeSingleExecutable(script, {
    targets: [{ nodeRange: "node24", platform: "linux", arch, output }],
    nodePath: nodeFile,
    seaConfig,
  });
}

/** The files that get installed: each name, in an order of its own, and where it stands. */
async function findAssets(): Promise<Record<string, string>> {
  const entries = await readdir(assetsDirectory, {
    recursive: true,
    withFileTypes: true,
  });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort();
  return Object.fromEntries(
    files.map((file) => [path.relative(assetsDirectory, file), file]),
  );
}
