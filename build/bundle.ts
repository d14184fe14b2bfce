import { build, type Metafile } from "esbuild";
import path from "node:path";
import { projectDirectory } from "./layout.ts";

/**
 * Puts `entry` and all that it imports into one CommonJS file, the only kind that a single
 * executable of Node 24 starts. What is imported by `await import()` is in the file too, but
 * evaluated only where that expression is: `dockroot boot` never evaluates yargs.
 * @returns what was put together
 */
export async function bundle(entry: string, output: string): Promise<Metafile> {
  const { metafile } = await build({
    absWorkingDir: projectDirectory,
    entryPoints: [entry],
    outfile: output,
    bundle: true,
    metafile: true,
    platform: "node",
    format: "cjs",
    target: "node24",
    charset: "utf8",
    legalComments: "none",
    logLevel: "warning",
    alias: {
      // The original reads its messages from files beside it; an executable has none.
      y18n: path.join(import.meta.dirname, "y18n-english.ts"),
    },
    define: {
      // CommonJS has no import.meta. yargs asks for its own place on disk, which is nowhere.
      "import.meta.url": '"file:///proc/self/exe"',
      // Where what is not an executable finds the assets.
      "import.meta.dirname": '"/nonexistent"',
    },
  });
  return metafile;
}
