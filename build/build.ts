import { readFile } from "node:fs/promises";
import { createHash } from "node:crypto";
import path from "node:path";
import { entryFile, executableFile, projectDirectory } from "./layout.ts";
import { makeExecutable } from "./make-executable.ts";

// node build/build.ts [OUTPUT]: what `make build` runs. SLIM=0: with a whole Node in it.

const output = path.resolve(process.argv[2] ?? executableFile);
try {
  const version = await makeExecutable(entryFile, output, isSlim());
  const bytes = await readFile(output);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  console.log(`${path.relative(projectDirectory, output)}: ${version}`);
  console.log(`${(bytes.length / 1e6).toFixed(1)} MB, sha256 ${sha256}`);
} catch (error) {
  console.error(`cannot build ${path.relative(projectDirectory, output)}`);
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    console.error(`  ${cause.message}`);
  }
  process.exitCode = 1;
}

function isSlim(): boolean {
  const slim = process.env["SLIM"] ?? "";
  if (!["", "0", "1"].includes(slim)) {
    throw new Error(`SLIM=${slim} is neither 0 nor 1`);
  }
  return slim !== "0";
}
