import type { Host } from "../../runtime/host/host.ts";

/**
 * The room that a directory takes, files with several names in it once.
 * @param directory absolute
 * @throws HelperError
 */
export async function measureTree(
  host: Host,
  directory: string,
): Promise<number> {
  const command = ["du", "--summarize", "--block-size=1", "--one-file-system"];
  const { stdout } = await host.run([...command, "--", directory]);
  return Number.parseInt(stdout.toString("utf8"), 10);
}
