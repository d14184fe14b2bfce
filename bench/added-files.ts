import { realpath } from "node:fs/promises";
import { run } from "../build/run.ts";
import { helperNames } from "../installer/install/helpers.ts";

/** What an initramfs that mounts a root has in any case, be it of systemd or of util-linux. */
const USUAL_PROGRAMS = ["mount", "umount", "blkid", "cp", "sync", "cat"];

/**
 * The files that dockroot adds to an initramfs, as real paths.
 * @returns all that it needs: the executable, its helpers, and the libraries that any of them links;
 * and those of them that the initramfs would not have without it
 * @throws where one of them is not on this machine
 */
export async function listAddedFiles(
  executable: string,
): Promise<{ all: string[]; new: string[] }> {
  const all = await listWithLibraries([executable, ...helperNames]);
  const usual = await listWithLibraries(USUAL_PROGRAMS);
  return { all, new: all.filter((file) => !usual.includes(file)) };
}

async function listWithLibraries(programs: readonly string[]) {
  const files = await Promise.all(
    programs.map(async (name) => {
      const program = await run(["sh", "-c", 'command -v "$0"', name]);
      const libraries = await run(["ldd", program.trim()]);
      // "	libm.so.6 => /lib/libm.so.6 (0x...)", "	/lib64/ld-linux-x86-64.so.2 (0x...)"
      const paths = libraries.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm);
      return [program.trim(), ...[...paths].flatMap(([, file]) => file ?? [])];
    }),
  );
  const paths = await Promise.all(files.flat().map((file) => realpath(file)));
  return [...new Set(paths)].sort();
}
