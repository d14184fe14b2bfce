import { build, transform, type Metafile } from "esbuild";
import path from "node:path";
import { builtinModules } from "./builtin-modules.ts";
import { projectDirectory } from "./layout.ts";

/** What a program is made of. */
export interface Bundle {
  readonly scripts: readonly BundledScript[];
  readonly metafile: Metafile;
}

export interface BundledScript {
  readonly name: string;
  /**
   * Has the value of a function of `exports`, `require` and `module`, where `require` takes the name
   * of another script with `./` before it.
   */
  readonly text: string;
  /** Whether it is evaluated at each boot. */
  readonly isStarted: boolean;
}

/** The script that a program begins with: start.ts has its name, too. */
const ENTRY_SCRIPT = "main.js";

/**
 * Puts `entry` and all that it imports into a few scripts: one for what is evaluated at once, others
 * for what only `await import()` asks for. `dockroot boot` reads neither yargs nor the installer.
 */
export async function bundle(entry: string): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: projectDirectory,
    entryPoints: { [path.parse(ENTRY_SCRIPT).name]: entry },
    outdir: "/",
    write: false,
    bundle: true,
    splitting: true,
    metafile: true,
    platform: "node",
    format: "esm",
    target: "node24",
    // A text with any other character takes V8 two bytes for each. Those in regular expressions stay.
    charset: "ascii",
    legalComments: "none",
    logLevel: "warning",
    plugins: [builtinModules],
    alias: {
      // The original reads its messages from files beside it; an executable has none.
      y18n: path.join(import.meta.dirname, "y18n-english.ts"),
    },
    define: {
      // A script has no import.meta. yargs asks for its own place on disk, which is nowhere.
      "import.meta.url": '"file:///proc/self/exe"',
      // Where what is not an executable finds the assets.
      "import.meta.dirname": '"/nonexistent"',
    },
  });
  const started = findStarted(metafile);
  const scripts: BundledScript[] = [];
  for (const { path: file, text } of outputFiles) {
    const name = path.basename(file);
    const isStarted = started.has(name);
    scripts.push({ name, text: await toScript(text), isStarted });
  }
  return { scripts, metafile };
}

/** The names of the scripts that the first one imports, and so on. */
function findStarted({ outputs }: Metafile): ReadonlySet<string> {
  const byName = new Map(
    Object.entries(outputs).map(([file, output]) => [
      path.basename(file),
      output,
    ]),
  );
  const started = new Set([ENTRY_SCRIPT]);
  // A set also yields what is added while it is walked.
  for (const name of started) {
    for (const { path: file, kind } of byName.get(name)?.imports ?? []) {
      if (kind === "import-statement") started.add(path.basename(file));
    }
  }
  return started;
}

/** esbuild splits modules of ECMAScript alone, and V8 caches the code of plain scripts alone. */
async function toScript(module: string): Promise<string> {
  const { code } = await transform(module, {
    format: "cjs",
    platform: "node",
    target: "node24",
    charset: "ascii",
    supported: { "dynamic-import": false },
  });
  return `(function (exports, require, module) {${code}})`;
}
