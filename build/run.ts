import { execFile } from "node:child_process";
import { promisify } from "node:util";

const execFileAsync = promisify(execFile);

/** Runs a program without a shell and answers with its standard output. */
export async function run(
  argv: readonly [string, ...string[]],
  environment: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const [command, ...args] = argv;
  try {
    const { stdout } = await execFileAsync(command, args, {
      env: environment,
      timeout: 60_000,
      maxBuffer: 64 << 20,
    });
    return stdout;
  } catch (cause) {
    throw new Error(`${argv.join(" ")} failed`, { cause });
  }
}
