import { realpath } from "node:fs/promises";
import { run } from "../fixtures/run.ts";

const HELPERS = ["btrfs", "mount", "umount", "blkid", "cp", "sync"];

/**
 * What dockroot adds to an initramfs: itself, its helpers, and the libraries that these are linked with.
 * @returns the files as they are here; what several need is there once
 */
export async function listAddedFiles(executable: string): Promise<string[]> {
  const programs = [
    executable,
    ...(await Promise.all(
      HELPERS.map((helper) => run(["sh", "-c", `command -v ${helper}`])),
    )),
  ];
  const libraries = await Promise.all(
    programs.map(async (program) => {
      const said = await run(["ldd", program]);
      return said.match(/(?<=\s)\/\S+/g) ?? [];
    }),
  );
  const files = [...programs, ...libraries.flat()];
  return [...new Set(await Promise.all(files.map((file) => realpath(file))))];
}
