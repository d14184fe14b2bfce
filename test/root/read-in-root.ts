import { run } from "../../fixtures/run.ts";

/**
 * The first line of each file as a process sees it that is confined to the tree.
 * @param tree has a shell
 * @param files absolute; one that cannot be read is an empty line
 */
export async function readInRoot(
  tree: string,
  files: readonly string[],
): Promise<string[]> {
  const script = `for file; do line=; { read -r line <"$file"; } 2>&-; echo "$line"; done`;
  const lines = await run([
    ...["chroot", tree, "/bin/sh", "-c", script, "sh"],
    ...files,
  ]);
  return lines.split("\n");
}
