import { run } from "./run.ts";

/** Starts the executable with nothing in the environment but that all symbols be bound at once. Answers with what it says to `--version`. */
export async function checkExecutable(
  file: string,
  nodeVersion: string,
): Promise<string> {
  const version = (await run([file, "--version"], { LD_BIND_NOW: "1" })).trim();
  if (!version.startsWith("dockroot ") || !version.includes(nodeVersion)) {
    throw new Error(
      `${file} --version should name dockroot and Node ${nodeVersion}, but printed: ${version}`,
    );
  }
  return version;
}
