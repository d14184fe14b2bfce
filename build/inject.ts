import path from "node:path";
import { hostArchitecture } from "./architecture.ts";
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
  };
  const arch = hostArchitecture();
  await makeSingleExecutable(script, {
    targets: [{ nodeRange: "node24", platform: "linux", arch, output }],
    nodePath: nodeFile,
    seaConfig,
  });
}
