import type { Host } from "../../runtime/host/host.ts";

/**
 * The room that a directory takes, files with several names in it once.
 * @param directory absolute
 * @throws HelperError
 */
export function measureTree(host: Host, directory: string): Promise<number> {
  return sum(host, directory, "--block-size=1");
}

/** How many inodes it takes. @throws HelperError */
export function countInodes(host: Host, directory: string): Promise<number> {
  return sum(host, directory, "--inodes");
}

async function sum(
  host: Host,
  directory: string,
  what: string,
): Promise<number> {
  // Not --one-file-system: an overlay may show its files as those of another one.
  const { stdout } = await host.run([
    "du",
    "--summarize",
    what,
    "--",
    directory,
  ]);
  return Number.parseInt(stdout.toString("utf8"), 10);
}
