import { run } from "./run.ts";

/** Starts the executable with an empty environment. Answers with what it says to `--version`. */
export async function checkExecutable(
  file: string,
  nodeVersion: string,
): Promise<string> {
  const version = (await run([file, "--version"], {})).trim();
  if (!version.startsWith("dockroot ") || !version.includes(nodeVersion)) {
    throw new Error(
      `${file} --version should name dockroot and Node ${nodeVersion}, but printed: ${version}`,
    );
  }
  return version;
}
