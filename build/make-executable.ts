import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { prepareBaseNode } from "./base-node.ts";
import { bundle } from "./bundle.ts";
import { checkExecutable } from "./check-executable.ts";
import { compileScripts, toCommonJs } from "./compile-scripts.ts";
import { inject, nodeFlags } from "./inject.ts";
import { cacheDirectory } from "./layout.ts";
import { writePages } from "./pages/pages.ts";
import { dropSections, omitUnused } from "./slim/omit-unused.ts";
import { slimmingStep } from "./slim/slim-node.ts";

/**
 * Bundle, Node, compilation, injection, omission, check. `output` is replaced as a whole and only by
 * an executable that works. Answers with what it says to `--version`.
 * @param isSlim whether Node loses what dockroot never uses
 */
export async function makeExecutable(
  entry: string,
  output: string,
  isSlim = true,
): Promise<string> {
  const workDirectory = path.join(
    cacheDirectory,
    `work.${String(process.pid)}`,
  );
  const script = path.join(workDirectory, "start.cjs");
  const unchecked = `${output}.${String(process.pid)}.new`;
  await mkdir(workDirectory, { recursive: true });
  await mkdir(path.dirname(output), { recursive: true });
  try {
    const { scripts } = await bundle(entry);
    const base = await prepareBaseNode(isSlim);
    const assets = await compileScripts(
      ...([scripts, base.file, nodeFlags] as const),
      path.join(workDirectory, "scripts"),
    );
    await writeFile(script, await toCommonJs("start.ts"));
    Object.assign(assets, await writePages(workDirectory));
    await inject(script, assets, base.file, unchecked, workDirectory);
    const injected = await readFile(unchecked);
    const content = isSlim
      ? await slimmingStep("blank pages (omit-unused.ts)", () =>
          omitUnused(injected, base.unused),
        )
      : dropSections(injected);
    await writeFile(unchecked, content);
    const version = await checkExecutable(unchecked, base.version);
    await rename(unchecked, output);
    return version;
  } finally {
    await rm(unchecked, { force: true });
    await rm(workDirectory, { recursive: true, force: true });
  }
}
