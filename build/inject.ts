import pkg from "@yao-pkg/pkg/lib-es5/sea.js";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { hostArchitecture } from "./architecture.ts";
import { assetsDirectory } from "./layout.ts";

/** How Node runs in the executable. */
export const nodeFlags: readonly string[] = [
  // What was of use for a moment is collected early: a large top layer takes a third less memory.
  "--max-semi-space-size=4",
  // Else the signal opens the debugger, on a port of 127.0.0.1 that any user can speak to.
  "--disable-sigusr1",
];

/**
 * Makes `output` from a copy of `nodeFile` with a script and assets in it.
 * @param assets files by name, besides those that get installed
 * @param workDirectory for temporary files; the script lies right in it
 */
export async function inject(
  script: string,
  assets: Readonly<Record<string, string>>,
  nodeFile: string,
  output: string,
  workDirectory: string,
): Promise<void> {
  // pkg works in a directory that it makes below TMPDIR.
  process.env["TMPDIR"] = workDirectory;
  const seaConfig = {
    // The name ends up in the executable and in stack traces. Relative to pkg's directory it is the
    // same in every checkout.
    main: path.join("..", path.relative(workDirectory, script)),
    disableExperimentalSEAWarning: true,
    // The code of the scripts is among the assets.
    useCodeCache: false,
    useSnapshot: false,
    // Neither NODE_OPTIONS nor --node-options change what the executable does.
    execArgvExtension: "none",
    execArgv: [...nodeFlags],
    assets: { ...(await findInstalledFiles()), ...assets },
  };
  const arch = hostArchitecture();
  await pkg.default(script, {
    targets: [{ nodeRange: "node24", platform: "linux", arch, output }],
    nodePath: nodeFile,
    seaConfig,
  });
}

/** The files that get installed: each name, in an order of its own, and where it stands. */
async function findInstalledFiles(): Promise<Record<string, string>> {
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
