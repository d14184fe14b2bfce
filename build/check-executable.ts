import { run } from "./run.ts";

/** All symbols are bound at once; the rest is what Node would end over (slim/ignore-environment.ts). */
const ENVIRONMENT = {
  LD_BIND_NOW: "1",
  NODE_CHANNEL_FD: "x",
  NODE_REPL_EXTERNAL_MODULE: "/x",
  OPENSSL_CONF: "/proc/self/cmdline",
};

/** Starts the executable in a hostile environment. Answers with what it says to `--version`. */
export async function checkExecutable(
  file: string,
  nodeVersion: string,
): Promise<string> {
  const version = (await run([file, "--version"], ENVIRONMENT)).trim();
  if (!version.startsWith("dockroot ") || !version.includes(nodeVersion)) {
    throw new Error(
      `${file} --version should name dockroot and Node ${nodeVersion}, but printed: ${version}`,
    );
  }
  return version;
}
